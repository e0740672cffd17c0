/* SPDX-License-Identifier: BSD-2-Clause */
/* Words into requests, the conversation with a machine, and the socket's file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool/ctl.h"
#include "tool/option.h"
#include "tool/socket.h"
#include "tool/status.h"
#include "tool/verb.h"

static char why[256];

static int
setup(void **state)
{
    (void)state;
    why[0] = 0;
    enlt_capture(why, sizeof(why));
    return 0;
}

/* The request of these words as JSON, or NULL with its sentence in why. */
static const char *
request(char **words)
{
    static char text[1024];
    json_t *object;
    int argc = 0;

    while (words[argc])
        argc++;
    if (enlt_ctl_request(argc, words, &object)) {
        assert_null(object);
        return NULL;
    }
    memset(text, 0, sizeof(text));
    assert_true(json_dumpb(object, text, sizeof(text) - 1, JSON_COMPACT) < sizeof(text));
    json_decref(object);
    return text;
}
#define REQUEST(...) request((char *[]){__VA_ARGS__, NULL})

static void
ctl_words_become_a_request(void **state)
{
    (void)state;
    assert_string_equal(REQUEST("stop"), "{\"execute\":\"stop\",\"arguments\":{}}");
    assert_string_equal(
        REQUEST("device_add", "driver=disk", "path=/a=b,c", "lun=3", "readonly=on"),
        "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"disk\","
        "\"path\":\"/a=b,c\",\"lun\":3,\"readonly\":true}}");
}

static void
ctl_says_what_is_wrong_with_the_words(void **state)
{
    (void)state;
    assert_null(REQUEST("nonsense"));
    assert_non_null(strstr(why, "'nonsense' is not a command"));
    assert_null(REQUEST("device_del"));
    assert_string_equal(why, "device_del: 'id' is missing.");
    assert_null(REQUEST("stop", "now=1"));
    assert_non_null(strstr(why, "'now=1'"));
    assert_null(REQUEST("device_del", "id"));
    assert_null(REQUEST("device_add", "driver=disk", "lun=x"));
    assert_non_null(strstr(why, "'x' is not a number"));
    assert_null(REQUEST("device_add", "driver=disk", "readonly=perhaps"));
    assert_null(REQUEST("device_add", "driver=floppy"));
    assert_non_null(strstr(why, "disk|nic|scsi"));
}

/* ---- the conversation ---- */

/* A machine for one client: it greets, in two parts, and has one answer for each request. */
struct machine {
    int listening;
    bool full;              /* it does not greet */
    const char *answers[4]; /* NULL: it hangs up */
    char heard[512];
};

static void *
converse(void *ctx)
{
    static const char *const greetings[][2] = {
        {"{\"QMP\": ", "{}}\r\n"}, {"{\"error\": ", "{\"desc\": \"it is full\"}}\r\n"}};
    struct machine *machine = ctx;
    const char *const *greeting = greetings[machine->full];
    struct pollfd client = {.fd = machine->listening, .events = POLLIN};
    size_t len = 0;

    assert_int_equal(poll(&client, 1, -1), 1); /* accept does not wait */
    int fd = accept(machine->listening, NULL, NULL);
    for (size_t i = 0; i < 2; i++) {
        usleep(10000);
        assert_true(write(fd, greeting[i], strlen(greeting[i])) > 0);
    }
    for (size_t i = 0; machine->answers[i]; i++) {
        ssize_t n = read(fd, machine->heard + len, sizeof(machine->heard) - len - 1);

        assert_true(n > 0);
        len += (size_t)n;
        assert_true(write(fd, machine->answers[i], strlen(machine->answers[i])) > 0);
    }
    if (machine->answers[0]) /* the client ends it; else unread words would reset it */
        (void)!read(fd, machine->heard + len, sizeof(machine->heard) - len - 1);
    close(fd);
    return NULL;
}

static int
talk(struct machine *machine, const char *command)
{
    char path[] = "control_XXXXXX";
    char *words[] = {"ctl", "--timeout", "20", path, (char *)command, NULL};
    pthread_t thread;
    int status;

    close(mkstemp(path));
    unlink(path);
    assert_int_equal(enlt_socket_listen(path, &machine->listening), 0);
    assert_int_equal(pthread_create(&thread, NULL, converse, machine), 0);
    status = enlt_ctl(5, words);
    pthread_join(thread, NULL);
    close(machine->listening);
    enlt_socket_remove(path);
    return status;
}

static void
ctl_greets_asks_and_ends(void **state)
{
    struct machine machine = {
        .answers = {"{\"return\": {}}\r\n",
                    "{\"event\": \"STOP\"}\r\n{\"return\": {}}\r\n"}};

    (void)state;
    assert_int_equal(talk(&machine, "stop"), 0);
    assert_string_equal(
        machine.heard,
        "{\"execute\":\"qmp_capabilities\"}{\"execute\":\"stop\",\"arguments\":{}}");
}

static void
ctl_says_what_the_machine_says(void **state)
{
    struct machine machine = {
        .answers = {"{\"return\": {}}\r\n",
                    "{\"error\": {\"desc\": \"it is too late\"}}\r\n"}};

    (void)state;
    assert_int_equal(talk(&machine, "stop"), ENLT_REFUSED);
    assert_string_equal(why, "the machine says: it is too late.");
}

static void
ctl_is_one_too_many(void **state)
{
    struct machine machine = {.full = true, .answers = {NULL}};

    (void)state;
    assert_int_equal(talk(&machine, "stop"), ENLT_REFUSED);
    assert_string_equal(why, "the machine says: it is full.");
}

static void
ctl_is_left_alone(void **state)
{
    struct machine machine = {.answers = {NULL}};

    (void)state;
    assert_int_equal(talk(&machine, "stop"), ENLT_GONE);
    assert_string_equal(why, "the machine has ended.");
}

static void
socket_file_is_for_this_user_alone(void **state)
{
    char path[] = "control_XXXXXX";
    struct stat st;
    int fd, other;
    mode_t mask = umask(0);

    (void)state;
    close(mkstemp(path));
    unlink(path);
    assert_int_equal(enlt_socket_listen(path, &fd), 0);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(enlt_socket_connect(path, &other), 0);
    close(other);
    close(fd);
    enlt_socket_remove(path);
    assert_int_not_equal(lstat(path, &st), 0);
    umask(mask);
}

static void
socket_replaces_what_a_dead_program_left_and_nothing_else(void **state)
{
    char path[] = "control_XXXXXX";
    struct stat st;
    int fd, second;

    (void)state;
    fd = mkstemp(path);
    close(fd);
    assert_int_equal(enlt_socket_listen(path, &fd), ENLT_NO_INPUT);
    assert_int_equal(lstat(path, &st), 0);
    unlink(path);
    assert_int_equal(enlt_socket_listen(path, &fd), 0);
    assert_int_equal(enlt_socket_listen(path, &second), ENLT_NO_INPUT);
    close(fd);
    assert_int_equal(enlt_socket_connect(path, &second), ENLT_NO_INPUT);
    assert_int_equal(enlt_socket_listen(path, &fd), 0);
    close(fd);
    enlt_socket_remove(path);
}

static void
socket_of_another_is_not_taken_away(void **state)
{
    char path[] = "control_XXXXXX";
    struct stat st;
    int fd, file;

    (void)state;
    close(mkstemp(path));
    unlink(path);
    assert_int_equal(enlt_socket_listen(path, &fd), 0);
    unlink(path);
    file = open(path, O_CREAT | O_WRONLY, 0600);
    enlt_socket_remove(path);
    assert_int_equal(lstat(path, &st), 0);
    unlink(path);
    close(file);
    close(fd);
}

static void
socket_path_has_a_length(void **state)
{
    char path[200];
    int fd;

    (void)state;
    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = 0;
    assert_int_equal(enlt_socket_listen(path, &fd), ENLT_USAGE);
    assert_int_equal(enlt_socket_listen("", &fd), ENLT_USAGE);
    assert_int_equal(enlt_socket_connect(path, &fd), ENLT_USAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ctl_words_become_a_request),
        cmocka_unit_test(ctl_says_what_is_wrong_with_the_words),
        cmocka_unit_test(ctl_greets_asks_and_ends),
        cmocka_unit_test(ctl_says_what_the_machine_says),
        cmocka_unit_test(ctl_is_one_too_many),
        cmocka_unit_test(ctl_is_left_alone),
        cmocka_unit_test(socket_file_is_for_this_user_alone),
        cmocka_unit_test(socket_replaces_what_a_dead_program_left_and_nothing_else),
        cmocka_unit_test(socket_of_another_is_not_taken_away),
        cmocka_unit_test(socket_path_has_a_length),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
