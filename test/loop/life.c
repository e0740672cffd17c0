/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/life.c - a device's whole life, with everything that may come in between
 *
 * While the guest's disks are at work, the host rescinds and offers again, the guest
 * closes and opens, moves interrupts, unloads and connects again, is replaced by another
 * kernel without a word, or the machine is reset; at moments that the seed decides, one
 * on top of the other, or one at each single turn of a short life. Whatever came, the
 * disks must come to the end of their work, and hold what was written.
 */
#include "test/loop/rig.h"

static struct rig rig;

static void
some_turns(uint32_t most)
{
    for (uint32_t n = loop_rand_below(&rig.loop.rand, most); n > 0; n--)
        (void)loop_step(&rig.loop);
}

/* ---- what may happen ---- */

static void
do_rescind(void)
{
    struct rig_disk *disk = &rig.disk[loop_rand_below(&rig.loop.rand, rig.disk_count)];

    if (disk->storage && !disk->leaving)
        rig_disk_rescind(disk);
    else if (!disk->storage)
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

/* ---- lives ---- */

static const uint32_t versions[] = {
    ENL_VMBUS_VERSION_WS2022,    ENL_VMBUS_VERSION_WS2022,    ENL_VMBUS_VERSION_WIN10_5_2,
    ENL_VMBUS_VERSION_WIN10_5_0, ENL_VMBUS_VERSION_WIN10_4_1, ENL_VMBUS_VERSION_WIN10,
    ENL_VMBUS_VERSION_WIN8_1,    ENL_VMBUS_VERSION_WIN8,
};

static void
life_begin(uint64_t seed)
{
    struct loop_knobs *knobs = &rig.config.knobs;

    rig_init(&rig, seed);
    rig.config.vps = 1 + (uint32_t)(seed % 3);
    rig.disk_count = 1 + (uint32_t)(seed / 3 % GUEST_CLIENTS);
    rig.config.max_version =
        versions[seed / 9 % (sizeof(versions) / sizeof(versions[0]))];
    rig.config.offer_seed = seed % 5;
    rig.guest_config.requests = 30;
    if (seed % 7 == 2)
        rig_small_rings(&rig);
    rig.guest_config.polls = seed % 4 == 3;
    knobs->drop_interrupts = rig.guest_config.polls ? 50 : 0;
    knobs->drop_signals = seed % 11 == 5 ? 30 : 0;
    knobs->slow_disks = seed % 13 == 7 ? 90 : 0;
}

static void
life_end(void)
{
    rig_disks_back(&rig);
    rig_run_quiet(&rig);
    rig_leave(&rig);
    rig_end(&rig);
}

static void
life(uint64_t seed, const action_fn *actions, uint32_t count)
{
    life_begin(seed);
    rig_start(&rig);
    for (uint32_t n = 3 + loop_rand_below(&rig.loop.rand, 4); n > 0; n--) {
        some_turns(n % 2 ? 2000 : 300);
        actions[loop_rand_below(&rig.loop.rand, count)]();
    }
    life_end();
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

/* ---- at every turn of a life ---- */

/* More than a short life has. What comes after its end finds the disk at rest. */
#define TURNS 100u

static void
at_every_turn(uint64_t seed, action_fn action)
{
    life_begin(seed / TURNS);
    rig.disk_count = 1;
    rig.guest_config.requests = 3;
    rig_start(&rig);
    for (uint32_t n = (uint32_t)(seed % TURNS); n > 0; n--)
        (void)loop_step(&rig.loop);
    action();
    life_end();
}

static void
rescind_at_every_turn(uint64_t seed)
{
    at_every_turn(seed, do_rescind);
}

static void
close_at_every_turn(uint64_t seed)
{
    at_every_turn(seed, do_close);
}

static void
unload_at_every_turn(uint64_t seed)
{
    at_every_turn(seed, do_unload);
}

static void
kexec_at_every_turn(uint64_t seed)
{
    at_every_turn(seed, do_kexec);
}

static void
reset_at_every_turn(uint64_t seed)
{
    at_every_turn(seed, do_reset);
}

/* ---- messages without their end ---- */

/* Neither half may break. Who heard too little may wait for ever, until a reset. */
static void
short_messages_then_reset(uint64_t seed)
{
    static const action_fn actions[] = {do_close, do_rescind, do_move, do_unload};

    life_begin(seed);
    rig.hostile = true;
    rig.config.knobs.short_messages = 1 + (uint32_t)(seed % 40);
    rig_start(&rig);
    for (uint32_t n = 4; n > 0; n--) {
        some_turns(500);
        actions[loop_rand_below(&rig.loop.rand, 4)]();
    }
    some_turns(500);
    rig.loop.config.knobs.short_messages = 0;
    do_reset();
    life_end();
}

int
main(int argc, char **argv)
{
    static const struct loop_case cases[] = {
        {"open_close_rescind", open_close_rescind, 2000},
        {"move_under_load", move_under_load, 500},
        {"unload_and_reconnect", unload_and_reconnect, 500},
        {"another_kernel_without_a_word", another_kernel_without_a_word, 500},
        {"machine_reset", machine_reset, 500},
        {"everything", everything, 5000},
        {"rescind_at_every_turn", rescind_at_every_turn, 2000},
        {"close_at_every_turn", close_at_every_turn, 1000},
        {"unload_at_every_turn", unload_at_every_turn, 1000},
        {"kexec_at_every_turn", kexec_at_every_turn, 1000},
        {"reset_at_every_turn", reset_at_every_turn, 1000},
        {"short_messages_then_reset", short_messages_then_reset, 1000},
    };

    return loop_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
