/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/threads.c - the same machine on threads: VPs, loop, workers, disks
 *
 * For the thread sanitizer, and for whatever a schedule of turns cannot show. The host's
 * callers keep to the threads that its headers name, and so do the guest's.
 */
#include "test/loop/rig.h"

static struct rig rig;

static bool
has_finished(void *ctx)
{
    (void)ctx;
    return guest_has_finished(rig.guest, rig.disk_count);
}

static bool
is_unloaded(void *ctx)
{
    (void)ctx;
    return rig_is_unloaded(&rig) && guest_clients_free(rig.guest);
}

static bool
is_running_again(void *ctx)
{
    (void)ctx;
    return !atomic_load(&rig.guest->unloaded) && has_finished(NULL);
}

static void
threads_start(uint64_t seed)
{
    rig_init(&rig, seed);
    rig.config.threads = true;
    rig.config.map_twice = false;
    rig.config.vps = 1 + (uint32_t)(seed % 3);
    rig.disk_count = 1 + (uint32_t)(seed / 3 % GUEST_CLIENTS);
    rig.guest_config.requests = 60;
    rig_start(&rig);
    loop_threads_start(&rig.loop);
}

static void
threads_end(void)
{
    rig.guest->hold = true; /* read by VP 0 after the message that follows */
    guest_unload(rig.guest, false);
    loop_wait_until(&rig.loop, is_unloaded, NULL);
    loop_threads_stop(&rig.loop);
    rig_end(&rig);
}

static void
threads_read_back_what_they_wrote(uint64_t seed)
{
    threads_start(seed);
    loop_wait_until(&rig.loop, has_finished, NULL);
    threads_end();
}

static void
rescind_call(void *ctx)
{
    rig_disk_rescind(ctx);
}

static bool
disk_is_gone(void *ctx)
{
    return atomic_load(&((struct rig_disk *)ctx)->destroyed) != 0;
}

static void
offer_call(void *ctx)
{
    rig_disk_offer(ctx);
}

static void
threads_survive_a_rescind(uint64_t seed)
{
    struct rig_disk *disk;

    threads_start(seed);
    disk = &rig.disk[seed % rig.disk_count];
    if (seed % 2)
        loop_wait_until(&rig.loop, has_finished, NULL);
    loop_call(&rig.loop, rescind_call, disk);
    loop_wait_until(&rig.loop, disk_is_gone, disk);
    loop_call(&rig.loop, offer_call, disk);
    loop_wait_until(&rig.loop, has_finished, NULL);
    threads_end();
}

static void
threads_close_and_open(uint64_t seed)
{
    threads_start(seed);
    for (uint32_t i = 0; i < 4; i++) {
        if (seed % 2)
            loop_wait_until(&rig.loop, has_finished, NULL);
        guest_move_client(rig.guest, 0, i % rig.config.vps);
        guest_close_client(rig.guest, i % GUEST_CLIENTS);
    }
    loop_wait_until(&rig.loop, has_finished, NULL);
    threads_end();
}

static void
threads_unload_and_reconnect(uint64_t seed)
{
    threads_start(seed);
    if (seed % 2)
        loop_wait_until(&rig.loop, has_finished, NULL);
    guest_unload(rig.guest, true);
    loop_wait_until(&rig.loop, is_running_again, NULL);
    threads_end();
}

int
main(int argc, char **argv)
{
    static const struct loop_case cases[] = {
        {"threads_read_back_what_they_wrote", threads_read_back_what_they_wrote, 20},
        {"threads_survive_a_rescind", threads_survive_a_rescind, 20},
        {"threads_close_and_open", threads_close_and_open, 20},
        {"threads_unload_and_reconnect", threads_unload_and_reconnect, 20},
    };

    return loop_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
