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
    while (!fake_channel_take(rig->channel, &answer))
        (void)fake_channel_run(rig->channel);
    must(answer.transaction_id == rig->transaction_id && answer.len == sizeof(packet));
    return *(struct enl_storage_packet *)(void *)answer.data;
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
        packet = exec(rig, packet);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(threads_attach_count_and_offer_beside_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
