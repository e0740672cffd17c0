/* SPDX-License-Identifier: BSD-2-Clause */
/* A NIC comes and goes: its configuration, its channels, and memory that runs out. */
#include "net_rig.h"

#include <string.h>

static struct net_rig r;

static void
offers_a_bad_config_is_refused(void **state)
{
    struct enlh_nic_config good;

    (void)state;
    net_rig_init(&r);
    good = r.config;
    r.config.mac[0] = 1;
    assert_int_equal(enlh_nic_create(&r.bus, &r.config, &r.nic), -ENL_E_INVAL);
    memset(r.config.mac, 0, 6);
    assert_int_equal(enlh_nic_create(&r.bus, &r.config, &r.nic), -ENL_E_INVAL);
    r.config = good;
    r.config.mtu = 9001; /* more than the backend takes */
    assert_int_equal(enlh_nic_create(&r.bus, &r.config, &r.nic), -ENL_E_INVAL);
    r.config.mtu = 67;
    assert_int_equal(enlh_nic_create(&r.bus, &r.config, &r.nic), -ENL_E_INVAL);
    r.config = good;
    r.config.friendly_name = "\xff";
    assert_int_equal(enlh_nic_create(&r.bus, &r.config, &r.nic), -ENL_E_INVAL);
    r.config = good;
    r.config.size = sizeof(r.config) + 1;
    assert_int_equal(enlh_nic_create(&r.bus, &r.config, &r.nic), -ENL_E_INVAL);
    r.config = good;
    r.bus.offer_result = -ENL_E_NOSPC;
    assert_int_equal(enlh_nic_create(&r.bus, &r.config, &r.nic), -ENL_E_NOSPC);
    r.bus.offer_result = 0;
    net_rig_create(&r);
    net_rig_stop(&r);
}

static void
offers_as_many_channels_as_the_backend_has_queues(void **state)
{
    (void)state;
    net_rig_init(&r);
    r.net.info.max_queues = 2;
    net_rig_create(&r);
    assert_int_equal(r.nic->port_count, 2);
    net_rig_stop(&r);
}

/* DN01: taken back while open and in use. */
static void
offers_a_nic_leaves_in_the_middle(void **state)
{
    uint8_t frame[200];

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_subchannels(&r, 3);
    r.net.hold = true;
    net_rig_tcp4(frame, 100);
    fake_net_bring(&r.net, 0, frame, 154, NULL);
    fake_channel_run(r.channel);
    net_rig_stop(&r);
}

static void
offers_a_backend_that_opens_no_queue_fails_the_open(void **state)
{
    (void)state;
    net_rig_init(&r);
    net_rig_create(&r);
    r.net.open_result = -ENL_E_IO;
    assert_int_equal(fake_channel_open(r.channel), -ENL_E_IO);
    r.net.open_result = 0;
    r.net.fd = 7; /* and nobody to watch it */
    assert_int_equal(fake_channel_open(r.channel), -ENL_E_NOTSUP);
    r.net.fd = -1;
    assert_int_equal(fake_channel_open(r.channel), 0);
    net_rig_stop(&r);
}

static uint32_t watched;

static int
watch(void *ctx, struct enlh_channel *channel, int fd)
{
    (void)ctx;
    (void)channel;
    assert_int_equal(fd, 7);
    watched++;
    return 0;
}

static void
unwatch(void *ctx, struct enlh_channel *channel, int fd)
{
    (void)ctx;
    (void)channel;
    assert_int_equal(fd, 7);
    watched--;
}

static void
offers_a_queues_descriptor_is_watched_while_it_is_open(void **state)
{
    (void)state;
    net_rig_init(&r);
    r.config.watch = watch;
    r.config.unwatch = unwatch;
    r.net.fd = 7;
    net_rig_create(&r);
    assert_int_equal(fake_channel_open(r.channel), 0);
    assert_int_equal(watched, 1);
    fake_channel_close(r.channel);
    assert_int_equal(watched, 0);
    net_rig_stop(&r);
}

/* At each allocation in turn: what was done is undone, and the next try works. */
static void
offers_memory_that_runs_out_leaves_nothing(void **state)
{
    int result = -ENL_E_NOMEM;

    (void)state;
    net_rig_init(&r);
    for (int32_t i = 0; result < 0; i++) {
        r.f.alloc_countdown = i;
        result = enlh_nic_create(&r.bus, &r.config, &r.nic);
    }
    r.f.alloc_countdown = -1;
    r.channel = fake_bus_channel(&r.bus, 0);
    for (int32_t i = 0;; i++) {
        r.f.alloc_countdown = i;
        if (fake_channel_open(r.channel) == 0)
            break;
    }
    r.f.alloc_countdown = -1;
    fake_channel_close(r.channel);
    net_rig_stop(&r);
}

static void
offers_no_memory_for_the_receive_buffer_is_told(void **state)
{
    const struct enlh_span span = {.offset = RIG_RECEIVE_GPA, .len = RIG_RECEIVE_LEN};
    struct enl_nvsp_message message = {.type = ENL_NVSP_RECEIVE_BUFFER,
                                       .u.buffer = {.gpadl = RIG_RECEIVE}};
    uint32_t status = 0;
    int32_t tries;

    (void)state;
    net_rig_init(&r);
    net_rig_create(&r);
    assert_int_equal(fake_channel_open(r.channel), 0);
    assert_int_equal(net_rig_version(&r, ENL_NVSP_VERSION_6_1), ENL_NVSP_STATUS_SUCCESS);
    fake_channel_lend(r.channel, RIG_RECEIVE, &span, 1);
    for (tries = 0; status != ENL_NVSP_STATUS_SUCCESS; tries++) {
        r.f.alloc_countdown = tries;
        status = net_rig_nvsp(&r, &message).u.receive_buffer_complete.status;
        fake_bus_poll(&r.bus);
    }
    assert_true(tries > 5);
    r.f.alloc_countdown = -1;
    net_rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_a_bad_config_is_refused),
        cmocka_unit_test(offers_as_many_channels_as_the_backend_has_queues),
        cmocka_unit_test(offers_a_nic_leaves_in_the_middle),
        cmocka_unit_test(offers_a_backend_that_opens_no_queue_fails_the_open),
        cmocka_unit_test(offers_a_queues_descriptor_is_watched_while_it_is_open),
        cmocka_unit_test(offers_memory_that_runs_out_leaves_nothing),
        cmocka_unit_test(offers_no_memory_for_the_receive_buffer_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
