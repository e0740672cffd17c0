/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of --nic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "tool/nic.h"
#include "tool/status.h"

static struct enlt_nic nic;

static void
nic_words_are_read(void **state)
{
    static const uint8_t mac[6] = {2, 0xab, 0, 1, 2, 0xff};

    (void)state;
    assert_int_equal(enlt_nic_parse("user,hostfwd=tcp::8080-:80,hostfwd=udp::53-:53,"
                                    "mac=02:ab:00:01:02:ff,mtu=1400,queues=3,link=off,"
                                    "id=lan,restrict=on,hostname=guest",
                                    &nic),
                     0);
    assert_int_equal(nic.kind, ENLT_NIC_USER);
    assert_int_equal(nic.forward_count, 2);
    assert_string_equal(nic.forwards[1], "udp::53-:53");
    assert_memory_equal(nic.mac, mac, 6);
    assert_int_equal(nic.mtu, 1400);
    assert_int_equal(nic.queues, 3);
    assert_true(nic.link_down && nic.isolated && !nic.has_link);
    assert_string_equal(nic.id, "lan");
    assert_string_equal(nic.hostname, "guest");
    assert_int_equal(enlt_nic_parse("tap=tap0,queues=4,pcap=/tmp/x", &nic), 0);
    assert_int_equal(nic.kind, ENLT_NIC_TAP);
    assert_string_equal(nic.place, "tap0");
    assert_string_equal(nic.pcap, "/tmp/x");
    assert_int_equal(enlt_nic_parse("fd=7,fd=9", &nic), 0);
    assert_int_equal(nic.kind, ENLT_NIC_FD);
    assert_int_equal(nic.fd_count, 2);
    assert_int_equal(nic.fds[0], 7);
    assert_int_equal(nic.fds[1], 9);
    assert_int_equal(enlt_nic_parse("passt=/run/passt.sock", &nic), 0);
    assert_int_equal(nic.kind, ENLT_NIC_PASST);
}

/* The nested machine has none of this machine's addresses, and listens on all of its own. */
static void
nic_forwards_lead_through_the_nested_machine(void **state)
{
    struct enlt_words options = {0}, words = {0};

    (void)state;
    assert_int_equal(
        enlt_nic_parse("user,hostfwd=tcp:127.0.0.1:8080-10.0.2.15:80,mtu=1400,"
                       "hostfwd=udp::53-:53",
                       &nic),
        0);
    enlt_nic_nested(&nic, &options);
    assert_int_equal(options.count, 4);
    assert_string_equal(options.word[0], "--forward");
    assert_string_equal(options.word[1], "tcp:127.0.0.1:8080");
    assert_string_equal(options.word[3], "udp::53");
    enlt_nic_words(&nic, &words);
    assert_string_equal(words.word[1], "user,hostfwd=tcp::8080-10.0.2.15:80,mtu=1400,"
                                       "hostfwd=udp::53-:53");
    enlt_words_free(&words);
    enlt_words_free(&options);
}

static void
nic_a_bad_line_has_words(void **state)
{
    (void)state;
    assert_int_equal(
        enlt_nic_parse("user,loss=1.5,delay=20,reorder=3,rate=8M,seed=9", &nic), 0);
    assert_true(nic.has_link);
    assert_true(nic.link.loss > 0.0149 && nic.link.loss < 0.0151);
    assert_int_equal(nic.link.delay_ms, 20);
    assert_int_equal(nic.link.rate, 8 << 20);
    assert_int_equal(nic.link.seed, 9);
}

static void
nic_wrong_words_are_refused(void **state)
{
    static const char *const wrong[] = {
        "usr",
        "mac=01:00:00:00:00:01",
        "mac=02:00:00:00:00",
        "mac=02000000000",
        "loss=101",
        "loss=x",
        "queues=65",
        "mtu=70000",
        "tap=",
        "tap=t,hostfwd=tcp::1-:1",
        "fd=x",
        "user,user=1",
        "link=maybe",
        "id=",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char why[ENLM_WHY] = "";

        enlt_capture(why, sizeof(why));
        if (enlt_nic_parse(wrong[i], &nic) != ENLT_USAGE)
            fail_msg("'%s' was taken", wrong[i]);
        enlt_capture(NULL, 0);
        assert_non_null(strstr(why, "--nic"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nic_words_are_read),
        cmocka_unit_test(nic_forwards_lead_through_the_nested_machine),
        cmocka_unit_test(nic_a_bad_line_has_words),
        cmocka_unit_test(nic_wrong_words_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
