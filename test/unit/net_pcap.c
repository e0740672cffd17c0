/* SPDX-License-Identifier: BSD-2-Clause */
/* A capture: both directions, in order, and a file that breaks. */
#define _GNU_SOURCE
#include "net_stack.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct net_stack s;
static struct fake_net inner;

static int
start(void)
{
    int fd = memfd_create("pcap", MFD_ALLOW_SEALING);
    int kept = dup(fd);

    net_stack_begin(&s);
    fake_net_init(&inner);
    assert_int_equal(enlb_pcap_create(&inner.net, fd, &s.net), 0);
    net_stack_open(&s);
    return kept;
}

static void
stop(int fd)
{
    net_stack_end(&s);
    fake_net_fini(&inner);
    close(fd);
}

static uint32_t
word(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static void
pcap_has_both_directions_in_order(void **state)
{
    uint8_t file[1024], frame[100];
    struct enlh_net_received got;
    int fd = start();

    (void)state;
    memset(frame, 0xab, sizeof(frame));
    assert_int_equal(net_stack_send(&s, 60, 1), 1);
    fake_net_bring(&inner, 0, frame, sizeof(frame), NULL);
    assert_int_equal(net_stack_receive(&s, false, &got), 100);
    inner.full = true;
    assert_int_equal(net_stack_send(&s, 70, 2), -ENL_E_AGAIN); /* not yet on the wire */
    inner.full = false;
    assert_int_equal(net_stack_send(&s, 70, 2), 1);
    assert_int_equal(pread(fd, file, sizeof(file), 0), 24 + 16 + 60 + 16 + 100 + 16 + 70);
    assert_int_equal(word(file), 0xa1b2c3d4);
    assert_int_equal(word(file + 20), 1);
    assert_int_equal(word(file + 32), 60);
    assert_int_equal(word(file + 36), 60);
    assert_int_equal(file[40], 1);
    assert_int_equal(word(file + 108), 100);
    assert_int_equal(file[116], 0xab);
    assert_int_equal(word(file + 224), 70);
    stop(fd);
}

static void
pcap_a_file_that_breaks_ends_only_the_capture(void **state)
{
    int fd = start();

    (void)state;
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_WRITE), 0);
    assert_int_equal(net_stack_send(&s, 60, 1), 1);
    assert_int_equal(net_stack_send(&s, 60, 1), 1);
    assert_int_equal(inner.queues[0].sent_count, 2);
    stop(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcap_has_both_directions_in_order),
        cmocka_unit_test(pcap_a_file_that_breaks_ends_only_the_capture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
