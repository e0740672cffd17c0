/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/queues.c - one disk through three channels, each with a processor of its own
 *
 * A kernel smaller than test/loop/guest.c: its driver table binds the controller and its
 * sub-channels, placement chooses the processor of each, and each processor polls its
 * queue. Later one processor is freed of channels while requests go on.
 */
#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/abi/register.h"
#include "enlight/guest/driver.h"
#include "enlight/guest/hypercall.h"
#include "enlight/guest/place.h"
#include "enlight/guest/storage.h"
#include "enlight/host/storage.h"
#include "test/loop/guest.h"

#define VPS      4u
#define QUEUES   3u
#define SLOTS    4u
#define IO_LEN   4096u
#define REQUESTS 100u /* of each queue */
#define BLOCKS   1024u

static const uint32_t workers[] = {1, 2, 3}; /* VPs for channels; 0 has the bus */

struct io {
    struct enlg_storage_io io;
    struct lane *lane;
    uint8_t *data; /* what was written, then what is read */
    uint32_t lba, round;
    bool busy;
};

struct lane {
    struct enlg_storage_queue sub; /* of all but the first */
    struct enlg_storage_queue *queue;
    struct enlg_channel *channel;
    struct enlg_request_slot slots[SLOTS];
    uint64_t pfns[2];
    struct io ios[2];
    uint32_t vp; /* whose turn polls it */
    uint32_t left, flying;
    bool signal, stopped;
};

struct kernel {
    struct enlg_partition partition;
    struct enlg_synic synic[VPS];
    struct enlg_vmbus bus;
    struct enlg_channel channels[QUEUES + 1];
    struct enlg_storage storage;
    struct lane lanes[QUEUES];
    uint8_t *synic_pages[VPS];
    bool booted, bus_up, unloaded, up[VPS];
    bool leave, leaving; /* asked for; UNLOAD was sent */
    uint32_t evacuate;   /* VP to be freed, or 0 */
    uint32_t lane_count;
};

static struct loop loop;
static struct loop_disk disk;
static struct kernel *kernel;
static struct enlh_storage *storage;

/* ---- requests ---- */

static void
io_done(void *ctx, struct enlg_storage_io *io)
{
    struct io *own = ctx;
    struct lane *lane = own->lane;

    loop_check(own->busy && io->result == 0 && io->moved == IO_LEN);
    if (io->data_in == ENL_STORAGE_DATA_READ) {
        for (uint32_t i = 0; i < IO_LEN; i++)
            loop_check(own->data[i] == (uint8_t)(own->lba + own->round));
    }
    own->busy = false;
    lane->flying--;
    lane->left--;
}

/* A write, then a read of the same blocks into memory that was cleared. */
static void
io_submit(struct io *own)
{
    bool write = own->io.data_in != ENL_STORAGE_DATA_WRITE || own->round == 0;

    own->round += write;
    memset(own->data, write ? (uint8_t)(own->lba + own->round) : 0, IO_LEN);
    if (write)
        enlg_storage_write(&own->io, own->lba, IO_LEN / 512, own->data, IO_LEN);
    else
        enlg_storage_read(&own->io, own->lba, IO_LEN / 512, own->data, IO_LEN);
    own->io.done = io_done;
    own->io.ctx = own;
    own->busy = true;
    own->lane->flying++;
    loop_check(enlg_storage_queue_submit(own->lane->queue, &own->io) == 0);
}

static void
lane_step(struct lane *lane)
{
    lane->signal = false;
    loop_check(enlg_storage_queue_poll(lane->queue) >= 0);
    if (!enlg_storage_is_ready(&kernel->storage) || !enlg_channel_is_open(lane->channel))
        return;
    for (uint32_t i = 0; i < 2; i++) {
        if (!lane->ios[i].busy && lane->left > lane->flying)
            io_submit(&lane->ios[i]);
    }
    loop_check(enlg_storage_queue_kick(lane->queue) == 0);
}

/* ---- channels ---- */

static void
lane_signal(void *ctx)
{
    struct lane *lane = ctx;

    lane->signal = true;
    loop_ipi(&loop, lane->vp, VECTOR_IPI);
}

static void
lane_event(void *ctx, struct enlg_storage *s, enum enlg_storage_event event)
{
    struct lane *lane = ctx;

    loop_check(s == &kernel->storage);
    if (event == ENLG_STORAGE_READY) {
        loop_check(enlg_storage_sub_channels(s) == QUEUES - 1);
        for (uint32_t i = 0; i < kernel->lane_count; i++)
            lane_signal(&kernel->lanes[i]);
    }
    lane->stopped |= event == ENLG_STORAGE_STOPPED;
}

static struct enlg_storage_config
lane_config(struct lane *lane, struct enlg_channel *channel)
{
    uint32_t index = (uint32_t)(lane - kernel->lanes);

    lane->channel = channel;
    lane->vp = enlg_place_pick(channel, workers, 3);
    lane->left = REQUESTS;
    for (uint32_t i = 0; i < 2; i++) {
        lane->ios[i].lane = lane;
        lane->ios[i].lba = (index * 2 + i) * 16;
        lane->ios[i].data = loop_pages_get(&loop, 1);
    }
    return (struct enlg_storage_config){
        .size = sizeof(struct enlg_storage_config),
        .ring = loop_pages_get(&loop, 4),
        .send_len = 8192,
        .recv_len = 8192,
        .vp = lane->vp,
        .slots = lane->slots,
        .slot_count = SLOTS,
        .pfns = lane->pfns,
        .pfn_count = 2,
        .event = lane_event,
        .signal = lane_signal,
        .ctx = lane,
        .sub_channels = QUEUES - 1,
    };
}

static int
probe(void *ctx, struct enlg_channel *channel)
{
    struct lane *lane = &kernel->lanes[kernel->lane_count++];
    struct enlg_storage_config config = lane_config(lane, channel);

    (void)ctx;
    lane->queue = enlg_storage_queue_first(&kernel->storage);
    return enlg_storage_start(&kernel->storage, channel, &config);
}

static int
probe_sub(void *ctx, struct enlg_channel *channel, struct enlg_channel *first)
{
    struct lane *lane = &kernel->lanes[kernel->lane_count++];
    struct enlg_storage_config config = lane_config(lane, channel);

    (void)ctx;
    loop_check(first == kernel->lanes[0].channel);
    lane->queue = &lane->sub;
    return enlg_storage_queue_start(&lane->sub, &kernel->storage, channel, &config);
}

static const struct enlg_driver drivers[] = {
    {ENL_GUID_SCSI, probe, probe_sub, NULL, NULL},
};

/* ---- processors ---- */

static void
bus_event(void *ctx, struct enlg_vmbus *bus, enum enlg_vmbus_event event,
          struct enlg_channel *channel)
{
    (void)ctx;
    (void)bus;
    (void)channel;
    kernel->unloaded |= event == ENLG_VMBUS_EVENT_UNLOADED;
}

static void
boot(void)
{
    loop_check(enlg_partition_init(&kernel->partition, &loop.platform) == 0);
    loop_check(enlg_hypercall_enable(&kernel->partition, loop_pages_get(&loop, 1),
                                     ENL_GUEST_OS_ID_OPEN_SOURCE | 1) == 0);
    kernel->booted = true;
    for (uint32_t vp = 0; vp < VPS; vp++)
        loop_ipi(&loop, vp, VECTOR_IPI);
}

static void
vp_up(uint32_t vp)
{
    uint8_t *pages = loop_pages_get(&loop, 2);
    struct enlg_synic_pages synic = {pages, pages + ENL_PAGE_SIZE};

    loop_check(enlg_synic_enable(&kernel->synic[vp], &kernel->partition, &synic) == 0);
    loop_check(enlg_synic_unmask(&kernel->synic[vp], ENL_SINT_VMBUS, VECTOR_VMBUS, 0,
                                 NULL) == 0);
    kernel->up[vp] = true;
    loop_ipi(&loop, 0, VECTOR_IPI);
}

static void
bus_start(void)
{
    struct enlg_vmbus_config config;

    for (uint32_t vp = 0; vp < VPS; vp++) {
        if (!kernel->up[vp])
            return;
    }
    enlg_vmbus_config_defaults(&config);
    config.synic = &kernel->synic[0];
    config.channels = kernel->channels;
    config.channel_count = QUEUES + 1;
    config.event = bus_event;
    config.drivers = drivers;
    config.driver_count = 1;
    loop_check(enlg_vmbus_init(&kernel->bus, &kernel->partition, &config) == 0);
    loop_check(enlg_vmbus_connect(&kernel->bus) == 0);
    kernel->bus_up = true;
}

/* Free a processor of channels; the lanes go with theirs. */
static void
evacuate_step(void)
{
    uint32_t vp = kernel->evacuate, others[2], n = 0;
    int left;

    if (vp == 0)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        if (workers[i] != vp)
            others[n++] = workers[i];
    }
    left = enlg_place_evacuate(&kernel->bus, vp, others, n);
    loop_check(left >= 0);
    loop_check((left == 0) == !enlg_vmbus_uses_vp(&kernel->bus, vp));
    if (left)
        return;
    kernel->evacuate = 0;
    for (uint32_t i = 0; i < kernel->lane_count; i++) {
        kernel->lanes[i].vp = enlg_channel_vp(kernel->lanes[i].channel);
        loop_check(kernel->lanes[i].vp != vp);
        lane_signal(&kernel->lanes[i]);
    }
}

static void
kernel_step(void *ctx, uint32_t vp)
{
    bool interrupted = loop_vector_take(&loop, vp, VECTOR_VMBUS);

    (void)ctx;
    (void)loop_vector_take(&loop, vp, VECTOR_IPI);
    if (!kernel->booted && vp == 0)
        boot();
    if (kernel->booted && !kernel->up[vp])
        vp_up(vp);
    if (kernel->booted && !kernel->bus_up && vp == 0)
        bus_start();
    if (!kernel->bus_up)
        return;
    if (vp == 0 && interrupted && enlg_vmbus_poll(&kernel->bus) == 64)
        loop_ipi(&loop, 0, VECTOR_VMBUS);
    if (vp == 0)
        evacuate_step();
    if (vp == 0 && kernel->leave && !kernel->leaving) {
        kernel->leaving = true;
        loop_check(enlg_vmbus_unload(&kernel->bus) == 0);
    }
    if (interrupted)
        (void)enlg_vmbus_events(&kernel->bus, &kernel->synic[vp]);
    for (uint32_t i = 0; i < kernel->lane_count && !kernel->leaving; i++) {
        if (kernel->lanes[i].vp == vp && kernel->lanes[i].signal)
            lane_step(&kernel->lanes[i]);
    }
}

/* ---- the machine ---- */

static bool
is_finished(void *ctx)
{
    uint32_t most = *(uint32_t *)ctx;
    bool finished = kernel->lane_count == QUEUES;

    for (uint32_t i = 0; i < kernel->lane_count; i++)
        finished &= kernel->lanes[i].left <= most;
    return finished;
}

static bool
is_evacuated(void *ctx)
{
    (void)ctx;
    return kernel->evacuate == 0;
}

static bool
is_unloaded(void *ctx)
{
    (void)ctx;
    return kernel->unloaded;
}

static void
destroyed(void *ctx)
{
    *(bool *)ctx = true;
}

static bool
is_true(void *ctx)
{
    return *(bool *)ctx;
}

static void
start(uint64_t seed)
{
    struct loop_config config;
    struct enlh_storage_config controller = {.size = sizeof(controller),
                                             .name = "scsi",
                                             .max_subchannels = QUEUES - 1,
                                             .queue_depth = 16};
    struct enlh_disk lun = {.block = loop_disk_block(&disk),
                            .vendor = "Enlight",
                            .product = "Loop",
                            .revision = "1",
                            .serial = "L0"};

    loop_config_defaults(&config, seed);
    config.vps = VPS;
    config.offer_seed = seed;
    config.knobs.spurious_runs = 10;
    config.knobs.repeat_interrupts = 5;
    loop_init(&loop, &config);
    loop_disk_init(&disk, BLOCKS * 512);
    disk.next = loop.disks;
    loop.disks = &disk;
    loop_check(enlh_storage_create(loop.bus, &controller, &storage) == 0);
    loop_check(enlh_storage_attach(storage, &lun) == 0);
    kernel = loop_pages_get(&loop, (uint32_t)(sizeof(*kernel) / ENL_PAGE_SIZE + 1));
    loop.guest_step = kernel_step;
    loop_ipi(&loop, 0, VECTOR_IPI);
}

static void
end(void)
{
    bool gone = false;

    kernel->leave = true;
    loop_ipi(&loop, 0, VECTOR_IPI);
    loop_run_until(&loop, is_unloaded, NULL, "UNLOADED");
    for (uint32_t i = 0; i < QUEUES; i++)
        loop_check(kernel->lanes[i].stopped && kernel->lanes[i].flying == 0);
    enlh_storage_destroy(storage, destroyed, &gone);
    loop_run_until(&loop, is_true, &gone, "the end of the disk");
    loop_run_idle(&loop);
    loop_reset(&loop); /* the kernel's pages */
    loop_fini(&loop);
    loop_disk_fini(&disk);
}

static void
queues_share_a_disk_each_on_its_processor(uint64_t seed)
{
    uint32_t none = 0, seen = 0;

    start(seed);
    loop_run_until(&loop, is_finished, &none, "every queue's requests");
    for (uint32_t i = 0; i < QUEUES; i++)
        seen |= 1u << enlg_channel_vp(kernel->lanes[i].channel);
    loop_check(seen == (1u << 1 | 1u << 2 | 1u << 3));
    loop_check(disk.reads + disk.writes == QUEUES * REQUESTS && disk.reads > REQUESTS);
    end();
}

static void
queues_go_on_while_a_processor_is_freed(uint64_t seed)
{
    uint32_t half = REQUESTS / 2, none = 0, vp = 1 + (uint32_t)(seed % 3);

    start(seed);
    loop_run_until(&loop, is_finished, &half, "half of every queue's requests");
    kernel->evacuate = vp;
    loop_ipi(&loop, 0, VECTOR_IPI);
    loop_run_until(&loop, is_evacuated, NULL, "a processor without channels");
    loop_run_until(&loop, is_finished, &none, "the rest of the requests");
    loop_check(!enlg_vmbus_uses_vp(&kernel->bus, vp));
    end();
}

int
main(int argc, char **argv)
{
    static const struct loop_case cases[] = {
        {"queues_share_a_disk_each_on_its_processor",
         queues_share_a_disk_each_on_its_processor, 100},
        {"queues_go_on_while_a_processor_is_freed",
         queues_go_on_while_a_processor_is_freed, 100},
    };

    return loop_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
