/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/client.c - reads and writes at random, compared with a model of the disk
 *
 * Every block that is written says which block it is and which write it was. A read must
 * find what the model has; after a write that was canceled, either state. A disk's thread
 * is its VP; VP 0 opens and closes, and frees memory only when the library and the thread
 * both have let go.
 */
#include "test/loop/client.h"

#include <stdlib.h>
#include <string.h>

#include "enlight/abi/guids.h"

#define BLOCK 512u

/* ---- the model ---- */

void
model_init(struct model *model, uint32_t blocks, uint64_t seed)
{
    memset(model, 0, sizeof(*model));
    model->blocks = blocks;
    model->version = calloc(blocks, sizeof(*model->version));
    model->locked = calloc(blocks, 1);
    model->unknown = calloc(blocks, 1);
    model->rand.state = seed;
    loop_check(model->version && model->locked && model->unknown);
}

void
model_fini(struct model *model)
{
    free(model->version);
    free(model->locked);
    free(model->unknown);
}

static void
block_fill(uint8_t *block, uint32_t lba, uint32_t version)
{
    uint64_t words[BLOCK / 8];

    for (uint32_t i = 0; i < BLOCK / 8; i++)
        words[i] = version ? ((uint64_t)lba << 32 | version) * (2 * i + 1) : 0;
    memcpy(block, words, BLOCK);
}

static void
block_check(struct model *model, const uint8_t *block, uint32_t lba)
{
    uint8_t want[BLOCK];
    uint64_t first;
    uint32_t version = model->version[lba];

    if (model->unknown[lba]) { /* any whole write of this block */
        memcpy(&first, block, sizeof(first));
        version = (uint32_t)first;
        loop_check(version <= model->next_version);
    }
    block_fill(want, lba, version);
    if (memcmp(block, want, BLOCK) != 0)
        loop_fail("block %u does not hold write %u", lba, version);
}

void
model_check(struct model *model, const uint8_t *disk)
{
    for (uint32_t lba = 0; lba < model->blocks; lba++)
        block_check(model, disk + (size_t)lba * BLOCK, lba);
}

static bool
range_lock(struct model *model, uint32_t lba, uint32_t count)
{
    for (uint32_t i = lba; i < lba + count; i++) {
        if (model->locked[i])
            return false;
    }
    memset(model->locked + lba, 1, count);
    return true;
}

/* ---- requests; the disk's thread ---- */

static void
write_done(struct client_io *cio)
{
    struct model *model = cio->client->model;

    for (uint32_t lba = cio->lba; lba < cio->lba + cio->count; lba++) {
        if (cio->io.result == -ENL_E_BUSY) /* a unit attention: nothing was written */
            continue;
        model->unknown[lba] = cio->io.result != 0;
        if (cio->io.result == 0)
            model->version[lba] = cio->version;
    }
}

static void
read_done(struct client_io *cio)
{
    for (uint32_t i = 0; i < cio->count; i++)
        block_check(cio->client->model, cio->data + (size_t)i * BLOCK, cio->lba + i);
}

static void
io_done(void *ctx, struct enlg_storage_io *io)
{
    struct client_io *cio = ctx;
    struct client *c = cio->client;
    bool write = io->data_in == ENL_STORAGE_DATA_WRITE;

    loop_check(cio->busy && c->flying > 0);
    cio->busy = false;
    c->flying--;
    if (io->result == -ENL_E_BUSY)
        c->guest->attentions++;
    if (io->result != 0 && io->result != -ENL_E_CANCELED && io->result != -ENL_E_BUSY)
        loop_fail("a request ended with %d (srb status %#x)", io->result, io->srb_status);
    if (io->result == 0 && cio->count)
        loop_check(io->moved == cio->count * BLOCK);
    if (write)
        write_done(cio);
    else if (cio->count && io->result == 0)
        read_done(cio);
    if (cio->count)
        memset(c->model->locked + cio->lba, 0, cio->count);
}

static void
size_done(void *ctx, struct enlg_storage_io *io)
{
    struct client_io *cio = ctx;
    struct client *c = cio->client;
    uint64_t blocks = 0;
    uint32_t size = 0;

    cio->busy = false;
    c->flying--;
    if (io->result == -ENL_E_BUSY)
        c->sized = false;
    if (io->result == -ENL_E_CANCELED || io->result == -ENL_E_BUSY)
        return;
    loop_check(enlg_storage_capacity_parse(io, &blocks, &size) == 0);
    loop_check(blocks == c->model->blocks && size == BLOCK);
}

static struct client_io *
io_free(struct client *c)
{
    for (uint32_t i = 0; i < c->guest->config.ios; i++) {
        if (!c->ios[i].busy)
            return &c->ios[i];
    }
    return NULL;
}

/* Fill in a request at random. False when its blocks are in use. */
static bool
io_make(struct client *c, struct client_io *cio)
{
    struct model *model = c->model;
    struct loop_rand *rand = &model->rand;
    uint32_t kind = loop_rand_below(rand, 10);

    cio->count = 1 + loop_rand_below(rand, c->guest->config.io_blocks);
    cio->lba = loop_rand_below(rand, model->blocks - cio->count);
    cio->data = cio->pages + loop_rand_below(rand, ENL_PAGE_SIZE);
    if (kind == 0) {
        cio->count = 0;
        enlg_storage_flush(&cio->io);
        return true;
    }
    if (!range_lock(model, cio->lba, cio->count))
        return false;
    if (kind < 6) {
        cio->version = ++model->next_version;
        for (uint32_t i = 0; i < cio->count; i++)
            block_fill(cio->data + (size_t)i * BLOCK, cio->lba + i, cio->version);
        enlg_storage_write(&cio->io, cio->lba, cio->count, cio->data, cio->count * BLOCK);
    } else {
        memset(cio->data, 0xEE, (size_t)cio->count * BLOCK);
        enlg_storage_read(&cio->io, cio->lba, cio->count, cio->data, cio->count * BLOCK);
    }
    return true;
}

static bool
io_send(struct client *c, struct client_io *cio, enlg_storage_done_fn done)
{
    int rc;

    cio->io.done = done;
    cio->io.ctx = cio;
    cio->client = c;
    cio->busy = true;
    c->flying++;
    rc = enlg_storage_submit(&c->storage, &cio->io);
    if (rc == 0)
        return true;
    loop_check(rc == -ENL_E_AGAIN || rc == -ENL_E_CONNRESET);
    c->guest->full += rc == -ENL_E_AGAIN;
    cio->busy = false;
    c->flying--;
    c->blocked = true;
    return false;
}

static void
requests_make(struct client *c)
{
    struct client_io *cio;
    int rc;

    if (!c->sized && (cio = io_free(c))) {
        cio->count = 0;
        enlg_storage_capacity(&cio->io, cio->pages);
        c->sized = io_send(c, cio, size_done);
    }
    while (c->left && !c->blocked && (cio = io_free(c))) {
        if (!io_make(c, cio)) {
            c->left--;
            continue;
        }
        if (io_send(c, cio, io_done))
            c->left--;
        else if (cio->count)
            memset(c->model->locked + cio->lba, 0, cio->count);
    }
    rc = enlg_storage_kick(&c->storage);
    loop_check(rc == 0 || rc == -ENL_E_CONNRESET);
}

static void
client_lose(struct client *c)
{
    atomic_store(&c->lost, true);
    loop_ipi(c->guest->loop, 0, VECTOR_IPI);
}

void
client_step(struct client *c)
{
    int phase = atomic_load(&c->phase);
    int rc;

    if (phase == CLIENT_PARK) {
        atomic_store(&c->phase, CLIENT_PARKED);
        loop_ipi(c->guest->loop, 0, VECTOR_IPI);
        return;
    }
    if (phase != CLIENT_RUNNING)
        return;
    if (loop_rand_percent(&c->model->rand, c->guest->config.lazy))
        return;
    if (atomic_exchange(&c->signal, false) || c->guest->config.polls) {
        c->blocked = false;
        rc = enlg_storage_poll(&c->storage);
        if (rc < 0) {
            if (rc != -ENL_E_CONNRESET)
                loop_fail("the disk's driver gave up: %d", rc);
            client_lose(c);
            c->blocked = true;
            return;
        }
        if (rc == 64)
            atomic_store(&c->signal, true);
    }
    if (enlg_storage_is_ready(&c->storage) && !c->blocked)
        requests_make(c);
    if (c->sized && c->left == 0 && c->flying == 0)
        atomic_store(&c->finished, true);
}

bool
client_wants(struct client *c)
{
    int phase = atomic_load(&c->phase);

    if (phase == CLIENT_PARK)
        return true;
    if (phase != CLIENT_RUNNING)
        return false;
    return atomic_load(&c->signal) ||
           (enlg_storage_is_ready(&c->storage) && !c->blocked && c->left && io_free(c));
}

/* ---- life; VP 0 ---- */

static void
storage_event(void *ctx, struct enlg_storage *storage, enum enlg_storage_event event)
{
    struct client *c = ctx;

    (void)storage;
    switch (event) {
    case ENLG_STORAGE_READY:
        loop_check(enlg_storage_version(&c->storage) == ENL_STORAGE_VERSION_WIN10);
        break;
    case ENLG_STORAGE_RESCAN:
        break;
    case ENLG_STORAGE_LOST:
        client_lose(c);
        break;
    case ENLG_STORAGE_STOPPED:
        loop_check(c->flying == 0);
        atomic_store(&c->stopped, true);
        loop_ipi(c->guest->loop, 0, VECTOR_IPI);
        break;
    }
}

static void
storage_signal(void *ctx)
{
    struct client *c = ctx;

    atomic_store(&c->signal, true);
    loop_ipi(c->guest->loop, c->vp, VECTOR_IPI);
}

static void
client_start(struct client *c)
{
    struct guest *guest = c->guest;
    uint32_t send = 2 + loop_rand_below(&guest->rand, guest->config.ring_pages - 1);
    uint32_t recv = 2 + loop_rand_below(&guest->rand, guest->config.ring_pages - 1);
    struct enlg_storage_config config = {
        .size = sizeof(config),
        .send_len = send * ENL_PAGE_SIZE,
        .recv_len = recv * ENL_PAGE_SIZE,
        .vp = loop_rand_below(&guest->rand, guest->loop->config.vps),
        .slots = c->slots,
        .slot_count = GUEST_IOS,
        .pfns = c->pfns,
        .pfn_count = GUEST_IO_PAGES + 1,
        .event = storage_event,
        .signal = storage_signal,
        .ctx = c,
    };

    c->ring = guest_pages(guest, send + recv);
    config.ring = c->ring;
    for (uint32_t i = 0; i < guest->config.ios; i++)
        c->ios[i].pages = guest_pages(guest, GUEST_IO_PAGES + 1);
    c->left = guest->config.requests;
    loop_check(enlg_storage_start(&c->storage, c->channel, &config) == 0);
    guest->opens++;
    atomic_store(&c->phase, CLIENT_RUNNING);
}

void
client_bind(struct guest *guest, struct enlg_channel *channel)
{
    const struct enlg_channel_info *info = enlg_channel_info(channel);
    uint32_t which = info->instance.b[0];

    if (info->subchannel != 0 || which >= GUEST_CLIENTS || !guest->config.models[which])
        return;
    for (uint32_t i = 0; i < GUEST_CLIENTS; i++) {
        struct client *c = &guest->clients[i];

        if (atomic_load(&c->phase) != CLIENT_FREE)
            continue;
        c->guest = guest;
        c->channel = channel;
        c->model = guest->config.models[which];
        c->sized = c->blocked = false;
        atomic_store(&c->finished, false);
        atomic_store(&c->signal, false);
        atomic_store(&c->vp, loop_rand_below(&guest->rand, guest->loop->config.vps));
        client_start(c);
        return;
    }
}

void
client_gone(struct guest *guest, struct enlg_channel *channel)
{
    for (uint32_t i = 0; i < GUEST_CLIENTS; i++) {
        if (guest->clients[i].channel == channel)
            guest->clients[i].channel = NULL;
    }
}

bool
client_park(struct client *c)
{
    int phase = atomic_load(&c->phase);

    if (phase == CLIENT_RUNNING) {
        atomic_store(&c->phase, CLIENT_PARK);
        loop_ipi(c->guest->loop, c->vp, VECTOR_IPI);
        return false;
    }
    return phase != CLIENT_PARK;
}

static void
client_free(struct client *c)
{
    guest_pages_free(c->guest, c->ring);
    for (uint32_t i = 0; i < c->guest->config.ios; i++)
        guest_pages_free(c->guest, c->ios[i].pages);
    c->guest->closes++;
    atomic_store(&c->lost, false);
    atomic_store(&c->stopped, false);
    atomic_store(&c->phase, CLIENT_FREE);
}

static void
client_move(struct client *c, uint32_t vp)
{
    int rc;

    if (!c->channel || !enlg_channel_is_open(c->channel))
        return;
    rc = enlg_channel_move(c->channel, vp);
    loop_check(rc == 0 || rc == -ENL_E_BUSY || rc == -ENL_E_CONNRESET ||
               (rc == -ENL_E_NOTSUP &&
                enlg_vmbus_version(&c->guest->bus) < ENL_VMBUS_VERSION_WIN10_4_1));
    c->guest->moves += rc == 0;
}

static void
client_bus_step(struct client *c)
{
    uint32_t move;

    if (atomic_load(&c->phase) == CLIENT_FREE)
        return;
    move = atomic_exchange(&c->guest->ask_move[c - c->guest->clients], 0);
    if (move)
        client_move(c, move - 1);
    if (atomic_load(&c->lost) || atomic_load(&c->stopped))
        (void)client_park(c);
    if (atomic_load(&c->phase) == CLIENT_PARKED && atomic_load(&c->lost)) {
        atomic_store(&c->phase, CLIENT_CLOSING);
        /* An open that failed closes by itself; what was unloaded is closed already. */
        if (c->channel && !atomic_load(&c->stopped)) {
            int rc = enlg_storage_stop(&c->storage);

            loop_check(rc == 0 || rc == -ENL_E_INVAL || rc == -ENL_E_CONNRESET);
        }
    }
    if (atomic_load(&c->stopped) && atomic_load(&c->phase) >= CLIENT_PARKED)
        client_free(c);
}

static bool
has_client(const struct guest *guest, const struct enlg_channel *channel)
{
    for (uint32_t i = 0; i < GUEST_CLIENTS; i++) {
        if (guest->clients[i].channel == channel &&
            atomic_load(&guest->clients[i].phase) != CLIENT_FREE)
            return true;
    }
    return false;
}

/* Disks that found no client when they came, or whose client has closed them. */
static void
clients_rebind(struct guest *guest)
{
    const struct enl_guid scsi = ENL_GUID_SCSI;
    struct enlg_channel *channel;

    for (uint32_t i = 0; (channel = enlg_vmbus_channel(&guest->bus, i)); i++) {
        if (memcmp(&enlg_channel_info(channel)->type, &scsi, sizeof(scsi)) == 0 &&
            !enlg_channel_is_rescinded(channel) && !has_client(guest, channel))
            client_bind(guest, channel);
    }
}

void
clients_bus_step(struct guest *guest)
{
    for (uint32_t i = 0; i < GUEST_CLIENTS; i++)
        client_bus_step(&guest->clients[i]);
    if (enlg_vmbus_state(&guest->bus) == ENLG_VMBUS_CONNECTED && guest->connected &&
        !guest->hold && !atomic_load(&guest->ask_unload))
        clients_rebind(guest);
}

void
guest_close_client(struct guest *guest, uint32_t i)
{
    if (atomic_load(&guest->clients[i].phase) == CLIENT_RUNNING)
        client_lose(&guest->clients[i]);
}

void
guest_move_client(struct guest *guest, uint32_t i, uint32_t vp)
{
    atomic_store(&guest->ask_move[i], vp + 1);
    loop_ipi(guest->loop, 0, VECTOR_IPI);
}

void
guest_abandon(struct guest *guest)
{
    for (uint32_t i = 0; i < GUEST_CLIENTS * GUEST_IOS; i++) {
        struct client_io *cio = &guest->clients[i / GUEST_IOS].ios[i % GUEST_IOS];

        if (!cio->busy)
            continue;
        cio->io.result = -ENL_E_CANCELED;
        if (cio->io.data_in == ENL_STORAGE_DATA_WRITE)
            write_done(cio);
        if (cio->count)
            memset(cio->client->model->locked + cio->lba, 0, cio->count);
        cio->busy = false;
    }
}

bool
guest_is_quiet(const struct guest *guest)
{
    for (uint32_t i = 0; i < GUEST_CLIENTS; i++) {
        const struct client *c = &guest->clients[i];
        int phase = atomic_load(&c->phase);

        if (phase == CLIENT_FREE)
            continue;
        if (phase != CLIENT_RUNNING || !enlg_storage_is_ready(&c->storage) || c->left ||
            c->flying)
            return false;
    }
    return true;
}

bool
guest_has_finished(const struct guest *guest, uint32_t disks)
{
    uint32_t finished = 0;

    for (uint32_t i = 0; i < GUEST_CLIENTS; i++) {
        const struct client *c = &guest->clients[i];

        finished += atomic_load(&c->phase) == CLIENT_RUNNING && atomic_load(&c->finished);
    }
    return finished == disks;
}

bool
guest_clients_free(const struct guest *guest)
{
    for (uint32_t i = 0; i < GUEST_CLIENTS; i++) {
        if (atomic_load(&guest->clients[i].phase) != CLIENT_FREE)
            return false;
    }
    return true;
}
