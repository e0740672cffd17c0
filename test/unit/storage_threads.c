/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop and a channel's thread at the same time: disks appear, counters are read and
 * sub-channels are wished for while requests run. For the thread sanitizer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <cmocka.h>

#include "storage_rig.h"

#define ROUNDS 3000u

static atomic_bool attached_all, channel_done;

static void
must(bool ok)
{
    if (!ok)
        abort();
}

/* A failed assertion of cmocka would jump into the other thread: abort() instead. */
static struct enl_storage_packet
exec(struct rig *rig, struct enl_storage_packet packet)
{
    struct fake_answer answer;

    rig_put_srb(rig, &packet);
    while (!fake_channel_take(rig->channel, &answer) || !answer.is_completion)
        (void)fake_channel_run(rig->channel);
    must(answer.transaction_id == rig->transaction_id && answer.len == sizeof(packet));
    return *(struct enl_storage_packet *)(void *)answer.data;
}

/* The same again after a unit attention, of which there may be some. */
static struct enl_storage_packet
exec_attentive(struct rig *rig, struct enl_storage_packet packet)
{
    struct enl_storage_packet answer;

    do {
        answer = exec(rig, packet);
    } while (answer.u.srb.scsi_status == ENL_SCSI_STATUS_CHECK_CONDITION);
    return answer;
}

/* Once a unit has been seen it stays, and is whole. */
static void *
channel_thread(void *ctx)
{
    struct rig *rig = ctx;
    uint32_t seen = 0;

    for (uint32_t i = 0; i < ROUNDS || !atomic_load(&attached_all) || seen != 0xff; i++) {
        struct enl_storage_packet packet = rig_read(i % 2048, 1);
        struct enl_storage_packet wish = rig_packet(ENL_STORAGE_CREATE_SUB_CHANNELS);

        packet.u.srb.lun = i % RIG_DISKS;
        packet = exec_attentive(rig, packet);
        if (packet.u.srb.srb_status == ENL_SRB_STATUS_SUCCESS)
            seen |= 1u << i % RIG_DISKS;
        else
            must(packet.u.srb.srb_status == ENL_SRB_STATUS_INVALID_LUN &&
                 !(seen >> i % RIG_DISKS & 1));
        wish.u.sub_channel_count = (uint16_t)(i * 4 / ROUNDS % 4);
        must(exec(rig, wish).status == ENL_STORAGE_STATUS_SUCCESS);
    }
    atomic_store(&channel_done, true);
    return NULL;
}

static void
threads_attach_count_and_offer_beside_requests(void **state)
{
    struct rig *rig = *state;
    uint64_t last = 0;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, channel_thread, rig), 0);
    for (uint32_t i = 1; i < RIG_DISKS; i++) {
        while (rig_counters(rig).reads < last + 50)
            (void)enlh_vmbus_run_deferred(&rig->bus);
        last = rig_counters(rig).reads;
        assert_int_equal(rig_attach(rig, i, (uint8_t)i), 0);
    }
    atomic_store(&attached_all, true);
    while (!atomic_load(&channel_done))
        (void)enlh_vmbus_run_deferred(&rig->bus);
    pthread_join(thread, NULL);
    (void)enlh_vmbus_run_deferred(&rig->bus);
    assert_int_equal(rig->bus.offers, 4);
    assert_int_equal(rig_counters(rig).refused, 0);
}

static atomic_bool leave_done;
static atomic_uint gone;

static void
on_gone(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&gone, 1);
}

/* Requests to a unit that comes and goes: they succeed, or it is not there. */
static void *
leaving_thread(void *ctx)
{
    struct rig *rig = ctx;

    for (uint32_t i = 0; !atomic_load(&leave_done); i++) {
        struct enl_storage_packet packet = rig_write(i % 2048, 1);

        packet.u.srb.lun = i % 2;
        packet = exec_attentive(rig, packet);
        must(packet.u.srb.srb_status == ENL_SRB_STATUS_SUCCESS ||
             (packet.u.srb.srb_status == ENL_SRB_STATUS_INVALID_LUN && i % 2));
    }
    return NULL;
}

static void
threads_attach_and_detach_beside_requests(void **state)
{
    struct rig *rig = *state;
    pthread_t thread;

    atomic_store(&gone, 0);
    assert_int_equal(pthread_create(&thread, NULL, leaving_thread, rig), 0);
    for (uint32_t i = 1; i <= 300; i++) {
        uint64_t last = rig_counters(rig).writes;

        assert_int_equal(rig_attach(rig, 1, 1), 0);
        while (i % 2 && rig_counters(rig).writes < last + 4)
            (void)enlh_vmbus_run_deferred(&rig->bus);
        assert_int_equal(enlh_storage_resize(rig->storage, 1), 0);
        assert_int_equal(enlh_storage_detach(rig->storage, 1, on_gone, NULL), 0);
        while (atomic_load(&gone) < i)
            (void)enlh_vmbus_run_deferred(&rig->bus);
    }
    atomic_store(&leave_done, true);
    pthread_join(thread, NULL);
    assert_int_equal(rig->disks[1].opens, rig->disks[1].closes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(threads_attach_count_and_offer_beside_requests),
        RIG_TEST(threads_attach_and_detach_beside_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
