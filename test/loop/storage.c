/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/storage.c - the storage driver and the SCSI controller, over real rings
 */
#include "test/loop/rig.h"

static struct rig rig;

static void
storage_reads_back_what_it_wrote(uint64_t seed)
{
    rig_init(&rig, seed);
    rig.disk_count = 1 + (uint32_t)(seed % GUEST_CLIENTS);
    rig.guest_config.requests = 150;
    rig_start(&rig);
    rig_run_quiet(&rig);
    loop_run_idle(&rig.loop);
    loop_check(rig.disk[0].disk.reads && rig.disk[0].disk.writes);
    loop_check(rig.disk[0].disk.flushes);
    rig_leave(&rig);
    rig_end(&rig);
}

static uint64_t
host_full(void)
{
    struct enlh_channel_counters counters;
    uint64_t full = 0;

    for (uint32_t i = 0; i < LOOP_WORKERS; i++) {
        if (!rig.loop.worker[i].channel)
            continue;
        enlh_channel_counters(rig.loop.worker[i].channel, &counters);
        full += counters.ring_full;
    }
    return full;
}

static void
storage_waits_for_room_in_small_rings(uint64_t seed)
{
    rig_init(&rig, seed);
    rig_small_rings(&rig);
    rig.guest_config.requests = 1500; /* until both rings were full for sure */
    rig_start(&rig);
    rig_run_quiet(&rig);
    loop_check(rig.guest->full && host_full());
    rig_leave(&rig);
    rig_end(&rig);
}

static void
storage_polled_survives_lost_interrupts(uint64_t seed)
{
    rig_init(&rig, seed);
    rig.disk_count = 2;
    rig.config.knobs.drop_interrupts = 100;
    rig.guest_config.polls = true;
    rig_start(&rig);
    rig_run_quiet(&rig);
    rig_leave(&rig);
    rig_end(&rig);
}

int
main(int argc, char **argv)
{
    static const struct loop_case cases[] = {
        {"storage_reads_back_what_it_wrote", storage_reads_back_what_it_wrote, 100},
        {"storage_waits_for_room_in_small_rings", storage_waits_for_room_in_small_rings,
         50},
        {"storage_polled_survives_lost_interrupts",
         storage_polled_survives_lost_interrupts, 50},
    };

    return loop_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
