/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks that come, go and change their size while a driver is there: what happens to
 * requests in flight, when the backend is let go, and what the guest is told.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "storage_rig.h"

static uint32_t gone;

static void
on_gone(void *ctx)
{
    (void)ctx;
    gone++;
}

static int
detach(struct rig *rig, uint8_t lun)
{
    gone = 0;
    return enlh_storage_detach(rig->storage, lun, on_gone, NULL);
}

static struct enl_storage_packet
test_unit_ready(struct rig *rig, uint8_t lun)
{
    struct enl_storage_packet packet = RIG_SRB(ENL_STORAGE_DATA_NONE, 0, 0x00);

    packet.u.srb.lun = lun;
    return rig_exec_srb(rig, &packet);
}

static void
detached_unit_is_not_there_and_its_backend_is_let_go(void **state)
{
    struct rig *rig = *state;
    uint64_t before;

    before = rig->fake.alloc_bytes;
    assert_int_equal(rig_attach(rig, 1, 3), 0);
    assert_int_equal(rig->disks[1].opens, 1);
    assert_int_equal(detach(rig, 3), 0);
    assert_int_equal(test_unit_ready(rig, 3).u.srb.srb_status,
                     ENL_SRB_STATUS_INVALID_LUN);
    fake_bus_poll(&rig->bus);
    assert_int_equal(gone, 1);
    assert_int_equal(rig->disks[1].closes, 1);
    assert_int_equal(rig->fake.alloc_bytes, before);
    assert_int_equal(rig_attach(rig, 2, 3), 0);
}

static void
detach_waits_for_what_is_in_flight_and_it_is_answered(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_write(0, 1);

    assert_int_equal(rig_attach(rig, 1, 3), 0);
    (void)rig_exec_srb(rig, &packet); /* hears of the new unit */
    rig->disks[1].hold = true;
    packet.u.srb.lun = 3;
    rig_put_srb(rig, &packet);
    (void)fake_channel_run(rig->channel);
    assert_int_equal(detach(rig, 3), 0);
    assert_int_equal(rig_attach(rig, 2, 3), -ENL_E_EXIST);
    for (int i = 0; i < 3; i++) {
        (void)fake_channel_run(rig->channel);
        fake_bus_poll(&rig->bus);
    }
    assert_int_equal(gone, 0);
    assert_int_equal(rig->disks[1].closes, 0);
    fake_disk_finish(&rig->disks[1], 1);
    (void)fake_channel_run(rig->channel);
    packet = rig_answer(rig, rig->transaction_id, sizeof(packet));
    rig_assert_good(&packet, 512);
    fake_bus_poll(&rig->bus);
    assert_int_equal(gone, 1);
    assert_int_equal(rig->disks[1].closes, 1);
}

static void
detach_waits_for_an_answer_that_has_no_room(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1);

    assert_int_equal(rig_attach(rig, 1, 3), 0);
    (void)rig_exec_srb(rig, &packet);
    rig->disks[1].result = -ENL_E_IO; /* its answer names the unit */
    packet.u.srb.lun = 3;
    rig->disks[1].hold = true;
    for (int i = 0; i < 2; i++)
        rig_put_srb(rig, &packet);
    (void)fake_channel_run(rig->channel);
    rig->channel->room = 0;
    fake_disk_finish(&rig->disks[1], 2);
    assert_int_equal(detach(rig, 3), 0);
    (void)fake_channel_run(rig->channel);
    fake_bus_poll(&rig->bus);
    assert_int_equal(gone, 0);
    rig->channel->room = -1;
    (void)fake_channel_run(rig->channel);
    fake_bus_poll(&rig->bus);
    for (int i = 0; i < 2; i++) {
        packet = rig_answer(rig, rig->transaction_id - 1 + (unsigned)i, sizeof(packet));
        rig_assert_sense(&packet, ENL_SCSI_KEY_MEDIUM_ERROR, ENL_SCSI_ASC_READ_ERROR);
    }
    (void)fake_channel_run(rig->channel);
    fake_bus_poll(&rig->bus);
    assert_int_equal(gone, 1);
}

static void
detach_without_a_driver_is_done_at_once(void **state)
{
    struct rig *rig = *state;

    fake_channel_close(rig->channel);
    assert_int_equal(rig_attach(rig, 1, 3), 0);
    assert_int_equal(detach(rig, 3), 0);
    assert_int_equal(detach(rig, 3), -ENL_E_NOENT);
    fake_bus_poll(&rig->bus);
    assert_int_equal(gone, 1);
    assert_int_equal(rig->disks[1].opens, 0);
}

static void
detach_ends_when_the_driver_goes_first(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig_attach(rig, 1, 3), 0);
    assert_int_equal(detach(rig, 3), 0);
    fake_channel_close(rig->channel);
    fake_bus_poll(&rig->bus);
    assert_int_equal(gone, 1);
    assert_int_equal(rig->disks[1].closes, 1);
    /* The next driver does not see it. */
    assert_int_equal(fake_channel_open(rig->channel), 0);
    assert_int_equal(rig->disks[1].opens, 1);
}

static void
detach_of_what_is_not_there_is_refused(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(detach(rig, 5), -ENL_E_NOENT);
    assert_int_equal(detach(rig, 64), -ENL_E_NOENT);
    assert_int_equal(enlh_storage_resize(rig->storage, 5), -ENL_E_NOENT);
}

static void
destroyed_controller_ends_a_detach_without_a_word(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig_attach(rig, 1, 3), 0);
    rig->disks[1].hold = true;
    assert_int_equal(detach(rig, 3), 0);
    rig_destroy(rig);
    assert_int_equal(gone, 0);
    assert_int_equal(rig->disks[1].closes, 1);
}

static void
guest_is_told_to_look(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1);

    assert_int_equal(rig_attach(rig, 1, 3), 0);
    (void)rig_exec_srb(rig, &packet);
    assert_int_equal(rig->enumerates, 1);
    assert_int_equal(rig->removes, 0);
    assert_int_equal(detach(rig, 3), 0);
    (void)rig_exec_srb(rig, &packet);
    assert_int_equal(rig->enumerates, 1);
    assert_int_equal(rig->removes, 1);
    (void)rig_exec_srb(rig, &packet);
    assert_int_equal(rig->removes, 1);
}

static void
guest_is_told_when_there_is_room(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1);

    rig->channel->room = 0;
    assert_int_equal(rig_attach(rig, 1, 3), 0);
    (void)fake_channel_run(rig->channel);
    rig->channel->room = -1;
    (void)fake_channel_run(rig->channel);
    (void)rig_exec_srb(rig, &packet);
    assert_int_equal(rig->enumerates, 1);
}

static void
driver_that_starts_is_told_nothing_of_before(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1);

    assert_int_equal(rig_attach(rig, 1, 3), 0);
    fake_channel_close(rig->channel);
    rig_forget(rig);
    rig->enumerates = 0;
    assert_int_equal(rig_attach(rig, 2, 4), 0);
    rig_start(rig);
    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 512);
    assert_int_equal(rig->enumerates, 0);
}

static void
neighbours_hear_of_a_unit_once_and_inquiry_does_not(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet inquiry =
        RIG_SRB(ENL_STORAGE_DATA_READ, 36, 0x12, 0, 0, 0, 36);
    struct enl_storage_packet answer;

    assert_int_equal(rig_attach(rig, 1, 3), 0);
    answer = rig_exec_srb(rig, &inquiry);
    rig_assert_good(&answer, 36);
    answer = test_unit_ready(rig, 0);
    rig_assert_sense(&answer, ENL_SCSI_KEY_UNIT_ATTENTION, ENL_SCSI_ASC_LUNS_CHANGED);
    answer = test_unit_ready(rig, 0);
    rig_assert_good(&answer, 0);
    answer = test_unit_ready(rig, 3);
    rig_assert_good(&answer, 0);
}

static void
resized_unit_says_so_and_has_its_new_size(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet capacity = RIG_SRB(ENL_STORAGE_DATA_READ, 8, 0x25);
    struct enl_storage_packet beyond = rig_read(RIG_DISK_LEN / 512 - 8, 1), answer;
    const uint8_t *response = rig_memory(rig, RIG_BUFFER);

    rig->disks[0].info.size = RIG_DISK_LEN / 2;
    assert_int_equal(enlh_storage_resize(rig->storage, 0), 0);
    answer = rig_exec_srb(rig, &capacity);
    rig_assert_sense(&answer, ENL_SCSI_KEY_UNIT_ATTENTION, ENL_SCSI_ASC_CAPACITY_CHANGED);
    assert_int_equal(rig->enumerates, 1);
    answer = rig_exec_srb(rig, &capacity);
    rig_assert_good(&answer, 8);
    assert_int_equal(response[2] << 8 | response[3], RIG_DISK_LEN / 2 / 512 - 1);
    answer = rig_exec_srb(rig, &beyond);
    rig_assert_sense(&answer, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                     ENL_SCSI_ASC_LBA_OUT_OF_RANGE);
    rig->disks[0].info.size = RIG_DISK_LEN + 100;
    assert_int_equal(enlh_storage_resize(rig->storage, 0), -ENL_E_INVAL);
    rig->disks[0].info.size = RIG_DISK_LEN;
}

static void
thousand_rounds_leave_nothing_behind(void **state)
{
    struct rig *rig = *state;
    uint64_t before = rig->fake.alloc_bytes;

    for (uint32_t i = 0; i < 1000; i++) {
        struct enl_storage_packet packet = rig_write(i % 64, 1);

        assert_int_equal(rig_attach(rig, 1, (uint8_t)(1 + i % 63)), 0);
        packet.u.srb.lun = (uint8_t)(1 + i % 63);
        rig_put_srb(rig, &packet);
        if (i % 3)
            (void)fake_channel_run(rig->channel);
        assert_int_equal(detach(rig, packet.u.srb.lun), 0);
        for (int turn = 0; turn < 3; turn++) {
            (void)fake_channel_run(rig->channel);
            fake_bus_poll(&rig->bus);
        }
        assert_int_equal(gone, 1);
        rig_forget(rig);
    }
    assert_int_equal(rig->fake.alloc_bytes, before);
    assert_int_equal(rig->disks[1].opens, 1000);
    assert_int_equal(rig->disks[1].closes, 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(detached_unit_is_not_there_and_its_backend_is_let_go),
        RIG_TEST(detach_waits_for_what_is_in_flight_and_it_is_answered),
        RIG_TEST(detach_waits_for_an_answer_that_has_no_room),
        RIG_TEST(detach_without_a_driver_is_done_at_once),
        RIG_TEST(detach_ends_when_the_driver_goes_first),
        RIG_TEST(detach_of_what_is_not_there_is_refused),
        RIG_TEST(destroyed_controller_ends_a_detach_without_a_word),
        RIG_TEST(guest_is_told_to_look),
        RIG_TEST(guest_is_told_when_there_is_room),
        RIG_TEST(driver_that_starts_is_told_nothing_of_before),
        RIG_TEST(neighbours_hear_of_a_unit_once_and_inquiry_does_not),
        RIG_TEST(resized_unit_says_so_and_has_its_new_size),
        RIG_TEST(thousand_rounds_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
