/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The controller's offers: sub-channels on the guest's wish, through the loop; what a
 * closing driver leaves; attaching and destroying at any moment.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "enlight/abi/guids.h"
#include "enlight/abi/vmbus.h"
#include "storage_rig.h"

static uint32_t
want(struct rig *rig, uint16_t count)
{
    struct enl_storage_packet packet = rig_packet(ENL_STORAGE_CREATE_SUB_CHANNELS);

    packet.u.sub_channel_count = count;
    return rig_exec(rig, &packet, NULL, 0).status;
}

static void
offers_a_scsi_controller(void **state)
{
    const struct enl_guid class = ENL_GUID_SCSI;
    struct rig *rig = *state;

    assert_memory_equal(&rig->channel->offer.type, &class, 16);
    assert_int_equal(rig->channel->offer.instance.b[2], 3);
    assert_int_equal(rig->channel->offer.flags, ENL_OFFER_ENUMERATE);
    assert_int_equal(rig->channel->offer.subchannel, 0);
    assert_int_equal(rig->channel->offer.mmio_mib, 0);
    assert_string_equal(rig->channel->name, "scsi0");
}

static void
offers_several_controllers(void **state)
{
    struct rig *rig = *state;
    struct enlh_storage_config config = {.size = sizeof(config), .name = "scsi1"};
    struct enlh_storage *second, *third;

    config.instance.b[0] = 9;
    assert_int_equal(enlh_storage_create(&rig->bus, &config, &second), 0);
    assert_int_equal(rig->bus.offers, 2);
    assert_int_equal(enlh_storage_create(&rig->bus, &config, &third), -ENL_E_EXIST);
    enlh_storage_destroy(second, NULL, NULL);
    fake_bus_poll(&rig->bus);
    assert_int_equal(rig->bus.removed, 1);
}

static void
offers_subchannels_from_the_loop_only(void **state)
{
    struct rig *rig = *state;
    unsigned wakes = atomic_load(&rig->bus.loop_wakes);

    assert_int_equal(want(rig, 2), 0);
    assert_int_equal(rig->bus.offers, 1);
    assert_int_equal(atomic_load(&rig->bus.loop_wakes), wakes + 1);
    fake_bus_poll(&rig->bus);
    assert_int_equal(rig->bus.offers, 3);
    for (uint16_t i = 1; i <= 2; i++) {
        struct enlh_channel *channel = fake_bus_channel(&rig->bus, i);

        assert_non_null(channel);
        assert_memory_equal(&channel->offer.type, &rig->channel->offer.type, 16);
        assert_memory_equal(&channel->offer.instance, &rig->channel->offer.instance, 16);
    }
    assert_null(fake_bus_channel(&rig->bus, 3));
}

static void
offers_no_more_subchannels_than_configured(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(want(rig, 4), ENL_STORAGE_STATUS_INVALID_PARAMETER);
    assert_int_equal(want(rig, 0xffff), ENL_STORAGE_STATUS_INVALID_PARAMETER);
    fake_bus_poll(&rig->bus);
    assert_int_equal(rig->bus.offers, 1);
    assert_int_equal(want(rig, 0), 0);
    assert_int_equal(want(rig, 3), 0);
    fake_bus_poll(&rig->bus);
    assert_int_equal(rig->bus.offers, 4);
}

static void
offers_each_subchannel_once(void **state)
{
    struct rig *rig = *state;

    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(want(rig, 2), 0);
        assert_int_equal(want(rig, 1), 0);
        fake_bus_poll(&rig->bus);
    }
    assert_int_equal(rig->bus.offers, 3);
    assert_int_equal(rig->bus.rescinds, 0);
}

static void
offers_subchannels_anew_to_a_new_driver(void **state)
{
    struct rig *rig = *state;

    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(want(rig, 2), 0);
        fake_bus_poll(&rig->bus);
        assert_int_equal(fake_channel_open(fake_bus_channel(&rig->bus, 1)), 0);
        fake_channel_close(rig->channel);
        fake_bus_poll(&rig->bus);
        assert_int_equal(rig->bus.rescinds, 2 * i);
        assert_null(fake_bus_channel(&rig->bus, 1));
        fake_bus_poll(&rig->bus);
        assert_int_equal(rig->bus.offers, 1 + 2 * i);
        rig_start(rig);
    }
}

/* The new driver is quicker than the old one's sub-channels are gone. */
static void
offers_subchannels_once_the_old_ones_are_gone(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(want(rig, 2), 0);
    fake_bus_poll(&rig->bus);
    fake_channel_close(rig->channel);
    (void)enlh_vmbus_run_deferred(&rig->bus);
    assert_int_equal(rig->bus.rescinds, 2);
    rig_start(rig);
    assert_int_equal(want(rig, 2), 0);
    (void)enlh_vmbus_run_deferred(&rig->bus);
    assert_int_equal(rig->bus.offers, 3);
    fake_bus_poll(&rig->bus);
    fake_bus_poll(&rig->bus);
    assert_int_equal(rig->bus.removed, 2);
    assert_int_equal(rig->bus.offers, 5);
    assert_non_null(fake_bus_channel(&rig->bus, 2));
}

/* The wish comes and its driver goes before the loop looks. */
static void
offers_nothing_to_a_driver_that_left(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(want(rig, 2), 0);
    fake_channel_close(rig->channel);
    fake_bus_poll(&rig->bus);
    assert_int_equal(rig->bus.offers, 1);
}

static void
offers_less_when_the_bus_is_full(void **state)
{
    struct rig *rig = *state;

    rig->bus.offer_result = -ENL_E_NOSPC;
    assert_int_equal(want(rig, 3), 0);
    fake_bus_poll(&rig->bus);
    assert_int_equal(rig->bus.offers, 1);
    assert_true(rig->fake.log_count > 0);
    rig->bus.offer_result = 0;
}

/* ---- attaching ---- */

static void
attach_refuses_what_is_no_disk(void **state)
{
    struct rig *rig = *state;
    struct enlh_disk disk = {.block = fake_disk_block(&rig->disks[1]), .lun = 1};

    assert_int_equal(rig_attach(rig, 1, 0), -ENL_E_EXIST);
    assert_int_equal(rig_attach(rig, 1, 64), -ENL_E_RANGE);
    disk.path = 1;
    assert_int_equal(enlh_storage_attach(rig->storage, &disk), -ENL_E_RANGE);
    disk.path = 0;
    disk.target = 1;
    assert_int_equal(enlh_storage_attach(rig->storage, &disk), -ENL_E_RANGE);
    rig->disks[1].info.block_size = 1024;
    assert_int_equal(rig_attach(rig, 1, 1), -ENL_E_INVAL);
    rig->disks[1].info.block_size = 4096;
    rig->disks[1].info.size = 4095;
    assert_int_equal(rig_attach(rig, 1, 1), -ENL_E_INVAL);
    rig->disks[1].info.size = 0;
    assert_int_equal(rig_attach(rig, 1, 1), -ENL_E_INVAL);
    rig->disks[1].info.size = RIG_DISK_LEN;
    assert_int_equal(rig_attach(rig, 1, 1), 0);
}

static void
attach_while_open_is_seen_by_every_channel(void **state)
{
    struct rig *rig = *state;
    struct enlh_channel *primary = rig->channel;
    struct enl_storage_packet packet;

    assert_int_equal(want(rig, 1), 0);
    fake_bus_poll(&rig->bus);
    rig->channel = fake_bus_channel(&rig->bus, 1);
    assert_int_equal(fake_channel_open(rig->channel), 0);
    assert_int_equal(rig_attach(rig, 1, 3), 0);
    packet = rig_read(0, 1);
    packet.u.srb.lun = 3;
    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 512);
    rig->channel = primary;
    packet = rig_read(0, 1);
    packet.u.srb.lun = 3;
    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 512);
    assert_int_equal(rig->disks[1].opens, 2);
}

static void
attach_that_fails_leaves_no_trace(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = RIG_SRB(ENL_STORAGE_DATA_NONE, 0, 0x00);
    uint64_t before = rig->fake.alloc_bytes;

    rig->disks[1].open_result = -ENL_E_IO;
    assert_int_equal(rig_attach(rig, 1, 3), -ENL_E_IO);
    rig->disks[1].open_result = 0;
    rig->fake.alloc_countdown = 0;
    assert_int_equal(rig_attach(rig, 1, 3), -ENL_E_NOMEM);
    rig->fake.alloc_countdown = -1;
    assert_int_equal(rig->fake.alloc_bytes, before);
    packet.u.srb.lun = 3;
    assert_int_equal(rig_exec_srb(rig, &packet).u.srb.srb_status,
                     ENL_SRB_STATUS_INVALID_LUN);
    assert_int_equal(rig_attach(rig, 1, 3), 0);
}

/* The second channel's queue fails: the first must not keep its own. */
static void
attach_that_fails_half_way_is_undone(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(want(rig, 1), 0);
    fake_bus_poll(&rig->bus);
    assert_int_equal(fake_channel_open(fake_bus_channel(&rig->bus, 1)), 0);
    rig->disks[1].open_limit = 1;
    assert_int_equal(rig_attach(rig, 1, 3), -ENL_E_NOMEM);
    assert_int_equal(rig->disks[1].opens, 1);
    assert_int_equal(rig->disks[1].closes, 1);
    rig->disks[1].open_limit = 0;
    assert_int_equal(rig_attach(rig, 1, 3), 0);
}

/* ---- creating and destroying ---- */

static void
create_without_memory_fails_clean(void **state)
{
    struct rig *rig = *state;
    struct enlh_storage_config config = {.size = sizeof(config), .instance = {{7}}};
    uint64_t before = rig->fake.alloc_bytes;
    struct enlh_storage *storage = NULL;
    int32_t countdown = 0;
    int result;

    do {
        rig->fake.alloc_countdown = countdown++;
        result = enlh_storage_create(&rig->bus, &config, &storage);
        rig->fake.alloc_countdown = -1;
        if (result < 0)
            assert_int_equal(rig->fake.alloc_bytes, before);
    } while (result == -ENL_E_NOMEM);
    assert_int_equal(result, 0);
    assert_in_range(countdown, 3, 5);
    enlh_storage_destroy(storage, NULL, NULL);
    fake_bus_poll(&rig->bus);
}

static void
create_refuses_a_bad_config(void **state)
{
    struct rig *rig = *state;
    struct enlh_storage_config config = {.size = sizeof(config), .instance = {{7}}};
    struct enlh_storage *storage;

    config.max_transfer = 4097;
    assert_int_equal(enlh_storage_create(&rig->bus, &config, &storage), -ENL_E_INVAL);
    config.max_transfer = 32 << 20;
    assert_int_equal(enlh_storage_create(&rig->bus, &config, &storage), -ENL_E_INVAL);
    config.max_transfer = 0;
    config.queue_depth = 4097;
    assert_int_equal(enlh_storage_create(&rig->bus, &config, &storage), -ENL_E_INVAL);
    config.queue_depth = 0;
    config.max_subchannels = 2047;
    assert_int_equal(enlh_storage_create(&rig->bus, &config, &storage), -ENL_E_INVAL);
    config.max_subchannels = 0;
    config.size++;
    assert_int_equal(enlh_storage_create(&rig->bus, &config, &storage), -ENL_E_INVAL);
    config.size = 0;
    assert_int_equal(enlh_storage_create(&rig->bus, &config, &storage), -ENL_E_INVAL);
}

static void
count_call(void *ctx)
{
    ++*(uint32_t *)ctx;
}

static void
destroy_waits_for_every_channel(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1);
    uint32_t calls = 0;

    assert_int_equal(want(rig, 3), 0);
    fake_bus_poll(&rig->bus);
    assert_int_equal(fake_channel_open(fake_bus_channel(&rig->bus, 2)), 0);
    rig_put_srb(rig, &packet);
    rig->disks[0].hold = true;
    (void)fake_channel_run(rig->channel);
    enlh_storage_destroy(rig->storage, count_call, &calls);
    rig->storage = NULL;
    assert_int_equal(rig->bus.rescinds, 4);
    assert_false(fake_channel_try_close(rig->channel, 3));
    assert_int_equal(calls, 0);
    rig->disks[0].hold = false;
    fake_bus_poll(&rig->bus);
    assert_int_equal(calls, 1);
    assert_int_equal(rig->fake.alloc_bytes, rig->alloc_bytes);
}

static void
destroy_forgets_a_wish_that_waits(void **state)
{
    struct rig *rig = *state;
    uint32_t calls = 0;

    assert_int_equal(want(rig, 3), 0);
    enlh_storage_destroy(rig->storage, count_call, &calls);
    rig->storage = NULL;
    fake_channel_close(rig->channel);
    fake_bus_poll(&rig->bus);
    assert_int_equal(calls, 1);
    assert_int_equal(rig->bus.offers, 1);
    assert_null(rig->bus.deferred.head);
}

static void
destroy_while_subchannels_are_leaving(void **state)
{
    struct rig *rig = *state;
    uint32_t calls = 0;

    assert_int_equal(want(rig, 2), 0);
    fake_bus_poll(&rig->bus);
    fake_channel_close(rig->channel);
    (void)enlh_vmbus_run_deferred(&rig->bus);
    enlh_storage_destroy(rig->storage, count_call, &calls);
    rig->storage = NULL;
    assert_int_equal(rig->bus.rescinds, 3);
    fake_bus_poll(&rig->bus);
    assert_int_equal(calls, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(offers_a_scsi_controller),
        RIG_TEST(offers_several_controllers),
        RIG_TEST(offers_subchannels_from_the_loop_only),
        RIG_TEST(offers_no_more_subchannels_than_configured),
        RIG_TEST(offers_each_subchannel_once),
        RIG_TEST(offers_subchannels_anew_to_a_new_driver),
        RIG_TEST(offers_subchannels_once_the_old_ones_are_gone),
        RIG_TEST(offers_nothing_to_a_driver_that_left),
        RIG_TEST(offers_less_when_the_bus_is_full),
        RIG_TEST(attach_refuses_what_is_no_disk),
        RIG_TEST(attach_while_open_is_seen_by_every_channel),
        RIG_TEST(attach_that_fails_leaves_no_trace),
        RIG_TEST(attach_that_fails_half_way_is_undone),
        RIG_TEST(create_without_memory_fails_clean),
        RIG_TEST(create_refuses_a_bad_config),
        RIG_TEST(destroy_waits_for_every_channel),
        RIG_TEST(destroy_forgets_a_wish_that_waits),
        RIG_TEST(destroy_while_subchannels_are_leaving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
