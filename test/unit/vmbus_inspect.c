/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking at the bus: what is told of channels, rings and GPADLs. */
#include <string.h>

#include "vmbus_rig.h"

static struct rig r;
static struct enlh_channel_info channels[8];
static struct enlh_gpadl_info gpadls[8];
static uint32_t channel_count, gpadl_count;

static void
take_channel(void *ctx, const struct enlh_channel *channel,
             const struct enlh_channel_info *info)
{
    assert_ptr_equal(ctx, &r);
    assert_int_equal(enlh_channel_relid(channel), info->relid);
    channels[channel_count++] = *info;
}

static void
take_gpadl(void *ctx, const struct enlh_gpadl_info *info)
{
    assert_ptr_equal(ctx, &r);
    gpadls[gpadl_count++] = *info;
}

static void
look(void)
{
    channel_count = gpadl_count = 0;
    enlh_vmbus_each_channel(r.bus, take_channel, &r);
    enlh_vmbus_each_gpadl(r.bus, take_gpadl, &r);
}

static void
inspect_tells_channels_in_the_order_of_their_offers(void **state)
{
    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    rig_offer(&r, 7, 0);
    rig_offer(&r, 7, 1);
    look();
    assert_int_equal(channel_count, 2);
    assert_int_equal(gpadl_count, 0);
    assert_int_equal(channels[0].subchannel, 0);
    assert_int_equal(channels[1].subchannel, 1);
    assert_string_equal(channels[0].state, "unoffered");
    assert_int_equal(channels[0].in_size, 0);
    assert_int_equal(channels[0].target_vp, ENL_VMBUS_VP_NO_INTERRUPT);
    rig_stop(&r);
}

static void
inspect_tells_rings_and_what_is_in_them(void **state)
{
    static const uint8_t payload[24];
    struct rig_guest guest;
    struct enlh_channel *channel;

    (void)state;
    channel = rig_open_one(&r, &guest);
    enlh_channel_set_protocol(channel, 0x60002);
    assert_true(rig_send(&guest, 1, payload, sizeof(payload)));
    look();
    assert_int_equal(channel_count, 1);
    assert_string_equal(channels[0].state, "open");
    assert_true(channels[0].is_open);
    assert_int_equal(channels[0].protocol, 0x60002);
    assert_int_equal(channels[0].in_size, (RIG_RING_LEN - 1) * 4096);
    assert_int_equal(channels[0].out_size, (RIG_RING_LEN - 1) * 4096);
    assert_int_equal(channels[0].in_used, 16 + 24 + 8);
    assert_int_equal(channels[0].out_used, 0);
    assert_int_equal(gpadl_count, 1);
    assert_true(gpadls[0].is_ring);
    assert_string_equal(gpadls[0].state, "ready");
    assert_int_equal(gpadls[0].relid, guest.relid);
    assert_int_equal(gpadls[0].handle, guest.handle);
    assert_int_equal(gpadls[0].bytes, 2 * RIG_RING_LEN * 4096);
    rig_signal(&r, &guest);
    rig_settle(&r);
    rig_close(&r, &guest);
    look();
    assert_string_equal(channels[0].state, "offered");
    assert_int_equal(channels[0].in_size, 0);
    rig_stop(&r);
}

static void
inspect_believes_no_index_of_the_guest(void **state)
{
    struct rig_guest guest;
    struct enl_ring_header *header;

    (void)state;
    rig_open_one(&r, &guest);
    header = fake_at(&r.f, guest.gpa, sizeof(*header));
    header->write_index = 0xfffffff8u;
    look();
    assert_int_equal(channels[0].in_used, 0);
    header->write_index = 0;
    header->read_index = (RIG_RING_LEN - 1) * 4096;
    look();
    assert_int_equal(channels[0].in_used, 0);
    header->read_index = (RIG_RING_LEN - 1) * 4096 - 8;
    look();
    assert_int_equal(channels[0].in_used, 8);
    header->read_index = 0;
    rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inspect_tells_channels_in_the_order_of_their_offers),
        cmocka_unit_test(inspect_tells_rings_and_what_is_in_them),
        cmocka_unit_test(inspect_believes_no_index_of_the_guest),
    };

    rig_init(&r);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
