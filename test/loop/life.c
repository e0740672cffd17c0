/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/life.c - a device's whole life, with everything that may come in between
 *
 * While the guest's disks are at work, the host rescinds and offers again, the guest
 * closes and opens, moves interrupts, unloads and connects again, is replaced by another
 * kernel without a word, or the machine is reset; at moments that the seed decides. After
 * each of them the disks must come to the end of their work.
 */
#include <string.h>

#include "test/loop/rig.h"

static struct rig rig;

static void
some_turns(uint32_t most)
{
    for (uint32_t n = loop_rand_below(&rig.loop.rand, most); n > 0; n--)
        (void)loop_step(&rig.loop);
}

static struct rig_disk *
some_disk(void)
{
    return &rig.disk[loop_rand_below(&rig.loop.rand, rig.disk_count)];
}

/* ---- what may happen ---- */

static bool
disk_is_gone(void *ctx)
{
    return !((struct rig_disk *)ctx)->storage;
}

static void
do_rescind(void)
{
    struct rig_disk *disk = some_disk();

    rig_disk_rescind(disk);
    loop_run_until(&rig.loop, disk_is_gone, disk, "the end of a rescinded disk");
    some_turns(200);
    rig_disk_offer(disk);
}

static void
do_close(void)
{
    guest_close_client(rig.guest, loop_rand_below(&rig.loop.rand, GUEST_CLIENTS));
}

static void
do_move(void)
{
    guest_move_client(rig.guest, loop_rand_below(&rig.loop.rand, GUEST_CLIENTS),
                      loop_rand_below(&rig.loop.rand, rig.config.vps));
}

static void
do_unload(void)
{
    if (rig.guest->connected && !rig.guest->reconnect)
        guest_unload(rig.guest, true);
}

static void
do_kexec(void)
{
    rig_kexec(&rig);
}

static void
do_reset(void)
{
    rig_reset(&rig);
}

typedef void (*action_fn)(void);

static const uint32_t versions[] = {
    ENL_VMBUS_VERSION_WS2022,    ENL_VMBUS_VERSION_WS2022,    ENL_VMBUS_VERSION_WIN10_5_2,
    ENL_VMBUS_VERSION_WIN10_5_0, ENL_VMBUS_VERSION_WIN10_4_1, ENL_VMBUS_VERSION_WIN10,
    ENL_VMBUS_VERSION_WIN8_1,    ENL_VMBUS_VERSION_WIN8,
};

static void
life(uint64_t seed, const action_fn *actions, uint32_t count)
{
    rig_init(&rig, seed);
    rig.config.vps = 1 + (uint32_t)(seed % 3);
    rig.disk_count = 1 + (uint32_t)(seed / 3 % GUEST_CLIENTS);
    rig.config.max_version =
        versions[seed / 9 % (sizeof(versions) / sizeof(versions[0]))];
    rig.config.offer_seed = seed % 5;
    rig.guest_config.requests = 30;
    rig.guest_config.polls = seed % 4 == 3;
    rig.config.knobs.drop_interrupts = rig.guest_config.polls ? 50 : 0;
    rig_start(&rig);
    for (uint32_t n = 3 + loop_rand_below(&rig.loop.rand, 4); n > 0; n--) {
        some_turns(n % 2 ? 2000 : 300);
        actions[loop_rand_below(&rig.loop.rand, count)]();
    }
    rig_run_quiet(&rig);
    rig_leave(&rig);
    rig_end(&rig);
}

#define LIFE(seed, ...)                                                                  \
    do {                                                                                 \
        static const action_fn actions[] = {__VA_ARGS__};                                \
                                                                                         \
        life(seed, actions, sizeof(actions) / sizeof(actions[0]));                       \
    } while (0)

static void
open_close_rescind(uint64_t seed)
{
    LIFE(seed, do_close, do_rescind);
}

static void
move_under_load(uint64_t seed)
{
    LIFE(seed, do_move);
}

static void
unload_and_reconnect(uint64_t seed)
{
    LIFE(seed, do_unload);
}

static void
another_kernel_without_a_word(uint64_t seed)
{
    LIFE(seed, do_kexec);
}

static void
machine_reset(uint64_t seed)
{
    LIFE(seed, do_reset);
}

static void
everything(uint64_t seed)
{
    LIFE(seed, do_close, do_rescind, do_move, do_unload, do_kexec, do_reset);
}

int
main(int argc, char **argv)
{
    static const struct loop_case cases[] = {
        {"open_close_rescind", open_close_rescind, 1000},
        {"move_under_load", move_under_load, 200},
        {"unload_and_reconnect", unload_and_reconnect, 200},
        {"another_kernel_without_a_word", another_kernel_without_a_word, 200},
        {"machine_reset", machine_reset, 200},
        {"everything", everything, 1000},
    };

    return loop_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
