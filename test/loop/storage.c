/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/storage.c - the storage driver and the SCSI controller, over real rings
 */
#include <string.h>

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

/* Rings of one data page hold a handful of requests: both sides wait for room. */
static void
storage_waits_for_room_in_small_rings(uint64_t seed)
{
    rig_init(&rig, seed);
    rig.disk_count = 1;
    rig.guest_config.requests = 200;
    rig.guest_config.ring_pages = 2;
    rig_start(&rig);
    rig_run_quiet(&rig);
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
