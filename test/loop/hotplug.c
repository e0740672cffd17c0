/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/hotplug.c - devices that come and go a thousand times under a guest at work
 *
 * A controller is taken back by a rescind and offered again while the other one works; a
 * disk is attached to a controller and detached from it while another disk of it works.
 * Afterwards the host holds what it held at the start: no channel, no relid, no GPADL, no
 * queue and no byte more, and the disks hold what was written.
 */
#include "test/loop/rig.h"

#define ROUNDS 1000u

static struct rig rig;

/* What a host holds whose guest has closed everything. */
struct held {
    int64_t bytes;
    uint32_t channels;
    uint64_t gpadls, gpadl_bytes;
};

static void
count_channel(void *ctx, const struct enlh_channel *channel,
              const struct enlh_channel_info *info)
{
    struct held *held = ctx;

    (void)channel;
    (void)info;
    held->channels++;
}

static struct held
look(void)
{
    struct enlh_vmbus_counters counters;
    struct held held = {0};

    enlh_vmbus_counters(rig.loop.bus, &counters);
    enlh_vmbus_each_channel(rig.loop.bus, count_channel, &held);
    held.bytes = atomic_load(&rig.loop.allocated);
    held.gpadls = counters.gpadls;
    held.gpadl_bytes = counters.gpadl_bytes;
    return held;
}

static void
check_same(const struct held *a, const struct held *b)
{
    loop_check(a->bytes == b->bytes);
    loop_check(a->channels == b->channels);
    loop_check(a->gpadls == b->gpadls && a->gpadl_bytes == b->gpadl_bytes);
}

static void
some_turns(uint32_t most)
{
    for (uint32_t n = loop_rand_below(&rig.loop.rand, most); n > 0; n--)
        (void)loop_step(&rig.loop);
}

/*
 * What a guest leaves behind, the second one: an overlay page has room for two contents and
 * keeps it. Then there is a third.
 */
static struct held
two_lives(void)
{
    struct held held = {0};

    rig_start(&rig);
    for (int i = 0; i < 2; i++) {
        rig_run_quiet(&rig);
        rig_leave(&rig);
        held = look();
        rig_reset(&rig);
    }
    return held;
}

static void
controllers_come_and_go(uint64_t seed)
{
    struct held before, after;

    rig_init(&rig, seed);
    rig.disk_count = 2;
    rig.guest_config.requests = 20;
    before = two_lives();
    rig_run_quiet(&rig);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        rig_disk_rescind(&rig.disk[i % 2]);
        some_turns(i % 3 ? 40 : 400);
        rig_disks_back(&rig);
        some_turns(i % 5 ? 40 : 400);
    }
    rig_run_quiet(&rig);
    loop_check(rig.disk[0].destroyed == ROUNDS / 2 &&
               rig.disk[1].destroyed == ROUNDS / 2);
    rig_leave(&rig);
    after = look();
    check_same(&before, &after);
    rig_end(&rig);
}

static struct loop_disk hot;
static uint32_t gone;

static void
hot_gone(void *ctx)
{
    (void)ctx;
    gone++;
}

static bool
is_gone(void *ctx)
{
    return gone == *(uint32_t *)ctx;
}

static void
hot_attach(void)
{
    const struct enlh_disk lun = {.block = loop_disk_block(&hot), .lun = 1};

    loop_check(enlh_storage_attach(rig.disk[0].storage, &lun) == 0);
}

static void
disks_come_and_go(uint64_t seed)
{
    struct held before, after;

    rig_init(&rig, seed);
    rig.disk_count = 1;
    rig.guest_config.requests = 20 * ROUNDS;
    loop_disk_init(&hot, RIG_DISK_BLOCKS * 512);
    gone = 0;
    before = two_lives();
    hot.next = rig.loop.disks;
    rig.loop.disks = &hot;
    some_turns(2000);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        hot_attach();
        some_turns(i % 7 ? 10 : 200);
        loop_check(enlh_storage_detach(rig.disk[0].storage, 1, hot_gone, NULL) == 0);
        loop_run_until(&rig.loop, is_gone, &i, "the end of a disk");
    }
    loop_check(hot.queues == 0);
    rig_run_quiet(&rig);
    loop_check(rig.guest->attentions > 0);
    rig_leave(&rig);
    after = look();
    check_same(&before, &after);
    rig_end(&rig);
    loop_disk_fini(&hot);
}

int
main(int argc, char **argv)
{
    static const struct loop_case cases[] = {
        {"controllers_come_and_go", controllers_come_and_go, 4},
        {"disks_come_and_go", disks_come_and_go, 4},
    };

    return loop_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
