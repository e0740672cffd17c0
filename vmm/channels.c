/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/channels.c - a worker and a doorbell for each channel that the guest opens
 *
 * Run by the bus on the loop when the guest opens and closes, and by any thread that wakes
 * a channel. A doorbell that the kernel does not take is no failure: the signal comes as a
 * wake then.
 * Tests: test/os (V35, R32).
 */
#include "vmm/internal.h"

static void
loop_wake(void *ctx)
{
    enlm_machine_ask(ctx, ENLM_ASK_VMBUS);
}

static int
channel_start(void *ctx, struct enlh_channel *channel, uint32_t connection_id)
{
    struct enlm_machine *machine = ctx;
    struct enlm_worker *worker = enlm_worker_of(&machine->workers, channel);
    int err;

    if (!worker)
        return -ENL_E_NOMEM;
    /* Without a doorbell the signal comes as channel_wake(). */
    err = enlk_doorbell_add(machine->engine, connection_id, worker->fd);
    if (err)
        enlm_log(machine, ENLH_LOG_DEBUG, "%s: no doorbell for connection 0x%x: %d",
                 enlh_channel_name(channel), connection_id, err);
    err = enlm_worker_start(worker);
    if (err) {
        enlk_doorbell_remove(machine->engine, connection_id, worker->fd);
        enlm_worker_stop(worker);
    }
    return err;
}

static void
channel_stop(void *ctx, struct enlh_channel *channel, uint32_t connection_id)
{
    struct enlm_machine *machine = ctx;
    struct enlm_worker *worker = enlh_channel_worker(channel);

    if (!worker)
        return;
    enlk_doorbell_remove(machine->engine, connection_id, worker->fd);
    enlm_worker_stop(worker);
}

static void
channel_wake(void *ctx, struct enlh_channel *channel)
{
    struct enlm_worker *worker = enlh_channel_worker(channel);

    (void)ctx;
    if (worker)
        enlm_worker_wake(worker);
}

const struct enlh_vmbus_ops enlm_channels_ops = {
    .size = sizeof(enlm_channels_ops),
    .loop_wake = loop_wake,
    .channel_start = channel_start,
    .channel_stop = channel_stop,
    .channel_wake = channel_wake,
};

int
enlm_channels_wake_fd(void *ctx, struct enlh_channel *channel)
{
    struct enlm_machine *machine = ctx;
    struct enlm_worker *worker = enlm_worker_of(&machine->workers, channel);

    return worker ? worker->fd : -1;
}

int
enlm_channels_watch(void *ctx, struct enlh_channel *channel, int fd)
{
    struct enlm_machine *machine = ctx;
    struct enlm_worker *worker = enlm_worker_of(&machine->workers, channel);

    return worker ? enlm_worker_watch(worker, fd) : -ENL_E_NOMEM;
}

/* A worker that has stopped watches nothing any more. */
void
enlm_channels_unwatch(void *ctx, struct enlh_channel *channel, int fd)
{
    (void)ctx;
    (void)channel;
    (void)fd;
}
