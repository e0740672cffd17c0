/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/net.c - the NIC's driver and the NIC, over real rings and a wire that echoes
 *
 * Every frame that the wire brings back must reach the guest whole and once, whatever the
 * order of turns; and whatever ends the NIC, at whatever turn, leaves nothing behind.
 */
#include <string.h>

#include "enlight/host/nic.h"
#include "test/loop/nic.h"
#include "test/loop/rig.h"

static struct rig rig;
static struct wire wire;
static struct enlh_nic *nic; /* NULL: not offered */
static atomic_bool leaving;

static void
nic_plug(void *ctx)
{
    struct enlh_nic_config config = {
        .size = sizeof(config),
        .name = "net0",
        .friendly_name = "the wire",
        .mac = {0x02, 0x15, 0x5D, 1, 2, 3},
        .max_subchannels = NIC_QUEUES - 1,
        .net = wire_net(&wire),
    };

    (void)ctx;
    config.instance.b[15] = 0x4E;
    loop_check(!nic);
    loop_check(enlh_nic_create(rig.loop.bus, &config, &nic) == 0);
}

static void
nic_destroyed(void *ctx)
{
    (void)ctx;
    nic = NULL;
    atomic_store(&leaving, false);
}

static void
nic_unplug(void *ctx)
{
    (void)ctx;
    atomic_store(&leaving, true);
    enlh_nic_destroy(nic, nic_destroyed, NULL);
}

static bool
is_unplugged(void *ctx)
{
    (void)ctx;
    return !atomic_load(&leaving);
}

static void
prepare(uint64_t seed, uint32_t frames, uint32_t receive_pages)
{
    rig_init(&rig, seed);
    rig.config.vps = 1 + (uint32_t)(seed % LOOP_VPS);
    rig.guest_config.nic_frames = frames;
    rig.guest_config.nic_sub_channels = (uint32_t)(seed / 3 % NIC_QUEUES);
    rig.guest_config.nic_receive_pages = receive_pages;
}

static void
start(void)
{
    wire_init(&wire, rig.config.seed, rig.config.threads);
    rig_start(&rig);
    rig.loop.wire = &wire;
    nic_plug(NULL);
}

static bool
has_finished(void *ctx)
{
    (void)ctx;
    return rig.guest->nic && nic_has_finished(rig.guest->nic);
}

static void
run_quiet(void)
{
    loop_run_until(&rig.loop, has_finished, NULL, "every frame that went out, back");
}

static void
unplug(void)
{
    nic_unplug(NULL);
    loop_run_until(&rig.loop, is_unplugged, NULL, "the end of the NIC");
}

static bool
guest_has_none(void *ctx)
{
    (void)ctx;
    return !rig.guest->nic || nic_is_free(rig.guest->nic);
}

static void
end(void)
{
    loop_run_until(&rig.loop, guest_has_none, NULL, "the NIC's memory");
    rig_leave(&rig);
    rig_end(&rig);
    wire_fini(&wire);
}

static void
net_brings_back_every_frame(uint64_t seed)
{
    prepare(seed, 100, 64);
    start();
    run_quiet();
    loop_check(wire.large && wire.summed);
    unplug();
    end();
}

/* Fewer pieces than frames come in: the host waits for the guest to give some back. */
static void
net_waits_for_the_receive_buffer(uint64_t seed)
{
    struct enlh_nic_counters counters;

    prepare(seed, 200, 16);
    rig.guest_config.nic_sub_channels = 0;
    rig.guest_config.lazy = 95;
    start();
    run_quiet();
    enlh_nic_counters(nic, UINT32_MAX, &counters);
    loop_check(counters.tx_frames == wire.taken && counters.rx_frames == wire.brought);
    loop_check(counters.refused == 0 && counters.rx_waits);
    unplug();
    end();
}

static bool
is_turn(void *ctx)
{
    return rig.loop.steps >= *(uint64_t *)ctx;
}

/* From the first offer to the last frame. */
static uint64_t
some_turn(uint64_t seed)
{
    return seed * 7 % 900;
}

static bool
is_turn_or_quiet(void *ctx)
{
    return is_turn(ctx) || has_finished(NULL);
}

static void
net_is_rescinded_at_every_turn(uint64_t seed)
{
    uint64_t turn = some_turn(seed);

    prepare(seed, 30, 32);
    start();
    loop_run_until(&rig.loop, is_turn_or_quiet, &turn, "a turn");
    unplug();
    nic_plug(NULL);
    run_quiet();
    unplug();
    end();
}

static void
net_closes_and_opens_at_every_turn(uint64_t seed)
{
    uint64_t turn = some_turn(seed);

    prepare(seed, 30, 32);
    start();
    loop_run_until(&rig.loop, is_turn_or_quiet, &turn, "a turn");
    if (rig.guest->nic)
        nic_close(rig.guest->nic);
    run_quiet();
    unplug();
    end();
}

static void
net_is_unloaded_at_every_turn(uint64_t seed)
{
    uint64_t turn = some_turn(seed);

    prepare(seed, 30, 32);
    start();
    loop_run_until(&rig.loop, is_turn_or_quiet, &turn, "a turn");
    rig_leave(&rig);
    loop_run_until(&rig.loop, guest_has_none, NULL, "the NIC's memory");
    unplug();
    rig_end(&rig);
    wire_fini(&wire);
}

static void
net_survives_a_reset_at_every_turn(uint64_t seed)
{
    uint64_t turn = some_turn(seed);

    prepare(seed, 30, 32);
    start();
    loop_run_until(&rig.loop, is_turn_or_quiet, &turn, "a turn");
    rig_reset(&rig);
    run_quiet();
    unplug();
    end();
}

static void
net_comes_and_goes(uint64_t seed)
{
    int64_t before;

    prepare(seed, 4, 32);
    wire_init(&wire, seed, false);
    rig_start(&rig);
    rig.loop.wire = &wire;
    loop_run_idle(&rig.loop);
    before = rig.loop.allocated;
    for (uint32_t round = 0; round < 50; round++) {
        nic_plug(NULL);
        if (loop_rand_percent(&wire.rand, 50))
            run_quiet();
        unplug();
        loop_run_until(&rig.loop, guest_has_none, NULL, "the NIC's memory");
        loop_check(rig.loop.allocated == before);
    }
    end();
}

static void
net_threads_bring_back_every_frame(uint64_t seed)
{
    prepare(seed, 60, 64);
    rig.config.threads = true;
    rig.config.map_twice = false;
    rig.guest_config.nic_sub_channels = NIC_QUEUES - 1;
    start();
    loop_threads_start(&rig.loop);
    loop_wait_until(&rig.loop, has_finished, NULL);
    loop_call(&rig.loop, nic_unplug, NULL);
    loop_wait_until(&rig.loop, is_unplugged, NULL);
    if (seed % 2) {
        loop_call(&rig.loop, nic_plug, NULL);
        loop_wait_until(&rig.loop, has_finished, NULL);
        loop_call(&rig.loop, nic_unplug, NULL);
        loop_wait_until(&rig.loop, is_unplugged, NULL);
    }
    loop_wait_until(&rig.loop, guest_has_none, NULL);
    loop_threads_stop(&rig.loop);
    end();
}

int
main(int argc, char **argv)
{
    static const struct loop_case cases[] = {
        {"net_brings_back_every_frame", net_brings_back_every_frame, 60},
        {"net_waits_for_the_receive_buffer", net_waits_for_the_receive_buffer, 20},
        {"net_is_rescinded_at_every_turn", net_is_rescinded_at_every_turn, 400},
        {"net_closes_and_opens_at_every_turn", net_closes_and_opens_at_every_turn, 400},
        {"net_is_unloaded_at_every_turn", net_is_unloaded_at_every_turn, 400},
        {"net_survives_a_reset_at_every_turn", net_survives_a_reset_at_every_turn, 200},
        {"net_comes_and_goes", net_comes_and_goes, 20},
        {"net_threads_bring_back_every_frame", net_threads_bring_back_every_frame, 20},
    };

    return loop_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
