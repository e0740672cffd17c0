/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/guest.c - a small kernel over the guest half: all VPs, a bus, its services
 *
 * Runs on a VP's turn of test/loop/partition.c, as an interrupt handler and the threads
 * behind it would. What the disks do is in client.c.
 */
#include "test/loop/guest.h"

#include <stdlib.h>
#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/abi/register.h"
#include "test/loop/client.h"
#include "test/loop/nic.h"

#define OS_ID (ENL_GUEST_OS_ID_OPEN_SOURCE | UINT64_C(0x0100) << 48)

/* ---- memory ---- */

void *
guest_pages(struct guest *guest, uint32_t count)
{
    void *pages = loop_pages_get(guest->loop, count);

    for (uint32_t i = 0; i < GUEST_RUNS; i++) {
        if (!guest->runs[i].pages) {
            guest->runs[i].pages = pages;
            guest->runs[i].count = count;
            return pages;
        }
    }
    loop_fail("the test's guest has too many pieces of memory");
}

void
guest_pages_free(struct guest *guest, void *pages)
{
    for (uint32_t i = 0; i < GUEST_RUNS; i++) {
        if (pages && guest->runs[i].pages == pages) {
            loop_pages_put(guest->loop, pages, guest->runs[i].count);
            guest->runs[i].pages = NULL;
            return;
        }
    }
    loop_fail("the test's guest frees what it does not have");
}

void
guest_bury(struct guest *guest)
{
    struct loop *loop = guest->loop;
    uint32_t own = (uint32_t)((sizeof(*guest) + ENL_PAGE_SIZE - 1) / ENL_PAGE_SIZE);

    loop_unmap_all(loop, guest);
    for (uint32_t i = 0; i < GUEST_RUNS; i++) {
        if (guest->runs[i].pages)
            loop_pages_put(loop, guest->runs[i].pages, guest->runs[i].count);
    }
    loop_pages_put(loop, guest, own);
}

/* ---- services ---- */

static void
ic_signal(void *ctx)
{
    struct guest *guest = ctx;

    loop_ipi(guest->loop, 0, VECTOR_IPI);
}

static void
ic_stopped(void *ctx)
{
    (void)ctx; /* found by its memory below: the config has one ctx for all */
}

static void
shutdown_go(void *ctx, enum enlg_shutdown_kind kind, bool force)
{
    struct guest *guest = ctx;

    (void)force;
    guest->shutdowns++;
    guest->shutdown_kind = kind;
}

static void
time_heard(void *ctx, const struct enlg_timesync_sample *sample)
{
    struct guest *guest = ctx;

    guest->time_utc = sample->utc_100ns;
    guest->time_reference = sample->reference_100ns;
}

static void
ic_bind(struct guest *guest, struct enlg_channel *channel, uint32_t i)
{
    static const struct enlg_shutdown_ops shutdown = {.go = shutdown_go};
    uint32_t ring = 2 * ENLG_IC_RING_LEN;
    struct enlg_ic_config config = {
        .size = sizeof(config),
        .vp = 0,
        .signal = ic_signal,
        .stopped = ic_stopped,
        .ctx = guest,
    };
    int rc;

    if (guest->ic_open[i])
        return;
    guest->ic_memory[i] =
        guest_pages(guest, (ring + ENLG_KVP_BUFFER_LEN) / ENL_PAGE_SIZE);
    config.ring = guest->ic_memory[i];
    config.buffer = guest->ic_memory[i] + ring;
    guest->ic_open[i] = true;
    if (i == 0)
        rc = enlg_heartbeat_start(&guest->ic[i], channel, &config);
    else if (i == 1)
        rc = enlg_shutdown_start(&guest->ic[i], channel, &config, &shutdown);
    else if (i == 2)
        rc = enlg_timesync_start(&guest->ic[i], channel, &config, time_heard);
    else
        rc = enlg_kvp_start(&guest->ic[i], channel, &config, &guest_pool_ops);
    loop_check(rc == 0);
}

static void
ics_step(struct guest *guest)
{
    for (uint32_t i = 0; i < GUEST_ICS; i++) {
        int rc = guest->ic_open[i] ? enlg_ic_poll(&guest->ic[i]) : 0;

        if (rc == 16)
            ic_signal(guest);
        if (rc < 0 && !guest->ic_stopping[i]) {
            loop_check(rc == -ENL_E_CONNRESET);
            guest->ic_stopping[i] = true;
            rc = enlg_ic_stop(&guest->ic[i]);
            loop_check(rc == 0 || rc == -ENL_E_INVAL);
        }
    }
}

/* ---- the bus ---- */

static bool
is_type(const struct enlg_channel *channel, struct enl_guid type)
{
    return memcmp(&enlg_channel_info(channel)->type, &type, sizeof(type)) == 0;
}

static void
offer_bind(struct guest *guest, struct enlg_channel *channel)
{
    if (guest->config.open_nothing)
        return;
    if (is_type(channel, (struct enl_guid)ENL_GUID_HEARTBEAT))
        ic_bind(guest, channel, 0);
    else if (is_type(channel, (struct enl_guid)ENL_GUID_SHUTDOWN))
        ic_bind(guest, channel, 1);
    else if (is_type(channel, (struct enl_guid)ENL_GUID_TIMESYNC))
        ic_bind(guest, channel, 2);
    else if (is_type(channel, (struct enl_guid)ENL_GUID_KVP))
        ic_bind(guest, channel, 3);
}

static void
bus_event(void *ctx, struct enlg_vmbus *bus, enum enlg_vmbus_event event,
          struct enlg_channel *channel)
{
    struct guest *guest = ctx;

    (void)bus;
    switch (event) {
    case ENLG_VMBUS_EVENT_CONNECTED:
        guest->connected = true;
        break;
    case ENLG_VMBUS_EVENT_OFFER:
        guest->offers++;
        offer_bind(guest, channel);
        break;
    case ENLG_VMBUS_EVENT_ALL_OFFERS:
        guest->all_offers = true;
        break;
    case ENLG_VMBUS_EVENT_GONE:
        guest->gone++;
        client_gone(guest, channel);
        break;
    case ENLG_VMBUS_EVENT_UNLOADED:
        guest->connected = guest->all_offers = false;
        atomic_store(&guest->unloaded, true);
        break;
    case ENLG_VMBUS_EVENT_FAILED:
        guest->failed = true;
        break;
    }
}

static void
bus_message(void *ctx, const struct enl_message *message)
{
    struct guest *guest = ctx;

    if (enlg_stimer_message(&guest->timer, message, NULL))
        guest->timer_expirations++;
    else
        loop_fail("a message of type %#x that nobody knows", message->type);
}

/* A host without the connection id refuses at once, without an event. */
static void
bus_connect(struct guest *guest)
{
    int rc = enlg_vmbus_connect(&guest->bus);

    loop_check(rc == 0 || rc == -ENL_E_NOENT);
    guest->failed = rc != 0;
}

static void
bus_start(struct guest *guest)
{
    struct enlg_vmbus_config config;
    uint8_t *pages = guest_pages(guest, 3);

    enlg_vmbus_config_defaults(&config);
    config.synic = &guest->synic[0];
    config.channels = guest->channels;
    config.channel_count = GUEST_CHANNELS;
    config.event = bus_event;
    config.message = bus_message;
    config.ctx = guest;
    config.interrupt_page = pages;
    config.monitor_pages[0] = pages + ENL_PAGE_SIZE;
    config.monitor_pages[1] = pages + 2 * ENL_PAGE_SIZE;
    if (guest->config.max_version)
        config.max_version = guest->config.max_version;
    if (guest->config.min_version)
        config.min_version = guest->config.min_version;
    loop_check(enlg_vmbus_init(&guest->bus, &guest->partition, &config) == 0);
    bus_connect(guest);
    atomic_store(&guest->bus_up, true);
}

/* Below 3.0 nobody answers an unload: each channel must have been closed. */
static bool
may_unload(struct guest *guest)
{
    bool old = enlg_vmbus_version(&guest->bus) < ENL_VMBUS_VERSION_WIN8_1;
    bool may = true;

    for (uint32_t i = 0; i < GUEST_CLIENTS; i++) {
        if (old)
            guest_close_client(guest, i);
        may &= client_park(&guest->clients[i]);
    }
    if (guest->nic)
        may &= nic_park(guest->nic);
    return old ? guest_clients_free(guest) : may;
}

static void
unload_step(struct guest *guest)
{
    if (!atomic_load(&guest->ask_unload) ||
        enlg_vmbus_state(&guest->bus) != ENLG_VMBUS_CONNECTED || !may_unload(guest))
        return;
    atomic_store(&guest->ask_unload, false);
    loop_check(enlg_vmbus_unload(&guest->bus) == 0);
}

/* What is left of a connection goes, and perhaps the next one begins. */
static void
unloaded_step(struct guest *guest)
{
    if (!atomic_load(&guest->unloaded) || !guest->reconnect || !guest_clients_free(guest))
        return;
    atomic_store(&guest->unloaded, false);
    guest->reconnect = false;
    loop_check(enlg_vmbus_channel(&guest->bus, 0) == NULL);
    for (uint32_t i = 0; i < GUEST_ICS; i++) {
        if (guest->ic_open[i])
            guest_pages_free(guest, guest->ic_memory[i]);
        guest->ic_open[i] = guest->ic_stopping[i] = false;
    }
    bus_connect(guest);
}

/* A kernel after another one may have been given that one's answers. */
static void
failed_step(struct guest *guest)
{
    if (!guest->failed || guest->retries == 0)
        return;
    guest->retries--;
    bus_connect(guest);
}

/* ---- processors ---- */

static void
vp_up(struct guest *guest, uint32_t vp)
{
    uint8_t *pages = guest->synic_pages[vp];
    struct enlg_synic_pages synic = {pages, pages + ENL_PAGE_SIZE};

    loop_check(enlg_synic_enable(&guest->synic[vp], &guest->partition, &synic) == 0);
    loop_check(enlg_synic_vp(&guest->synic[vp]) == vp);
    loop_check(enlg_synic_unmask(&guest->synic[vp], ENL_SINT_VMBUS, VECTOR_VMBUS,
                                 guest->config.polls ? ENLG_SINT_POLL : 0, NULL) == 0);
    guest->up[vp] = true;
    atomic_fetch_add(&guest->up_count, 1);
    loop_ipi(guest->loop, 0, VECTOR_IPI);
}

static void
boot(struct guest *guest)
{
    loop_check(enlg_partition_init(&guest->partition, &guest->loop->platform) == 0);
    loop_check(enlg_clock_init(&guest->clock, &guest->partition, guest_pages(guest, 1)) ==
               0);
    loop_check(enlg_hypercall_enable(&guest->partition, guest_pages(guest, 1), OS_ID) ==
               0);
    for (uint32_t vp = 0; vp < guest->loop->config.vps; vp++)
        guest->synic_pages[vp] = guest_pages(guest, 2);
    atomic_store(&guest->hypercalls_up, true);
    for (uint32_t vp = 1; vp < guest->loop->config.vps; vp++)
        loop_ipi(guest->loop, vp, VECTOR_IPI);
}

static bool
boot_step(struct guest *guest, uint32_t vp)
{
    if (!atomic_load(&guest->hypercalls_up)) {
        if (vp != 0)
            return false;
        boot(guest);
    }
    if (!guest->up[vp])
        vp_up(guest, vp);
    if (!atomic_load(&guest->bus_up) && vp == 0 &&
        atomic_load(&guest->up_count) == guest->loop->config.vps)
        bus_start(guest);
    return atomic_load(&guest->bus_up);
}

static void
bus_step(struct guest *guest, bool interrupted)
{
    if (interrupted && enlg_vmbus_poll(&guest->bus) == 64)
        loop_ipi(guest->loop, 0, VECTOR_VMBUS);
    ics_step(guest);
    clients_bus_step(guest);
    if (guest->nic)
        nic_bus_step(guest->nic);
    unload_step(guest);
    unloaded_step(guest);
    failed_step(guest);
}

static void
flag_ignore(void *ctx, uint32_t flag)
{
    (void)ctx;
    (void)flag;
}

static void
guest_step(void *ctx, uint32_t vp)
{
    struct guest *guest = ctx;
    bool interrupted = loop_vector_take(guest->loop, vp, VECTOR_VMBUS);

    (void)loop_vector_take(guest->loop, vp, VECTOR_IPI);
    if (loop_vector_take(guest->loop, vp, VECTOR_TIMER))
        guest->timer_expirations++;
    interrupted = interrupted || guest->config.polls;
    if (!boot_step(guest, vp)) {
        /* The earlier kernel's channels may still signal, and a flag left is a signal lost. */
        if (interrupted && guest->up[vp])
            (void)enlg_synic_events(&guest->synic[vp], ENL_SINT_VMBUS, flag_ignore, NULL);
        return;
    }
    if (vp == 0)
        bus_step(guest, interrupted);
    if (interrupted)
        (void)enlg_vmbus_events(&guest->bus, &guest->synic[vp]);
    for (uint32_t i = 0; i < GUEST_CLIENTS; i++) {
        if (atomic_load(&guest->clients[i].vp) == vp)
            client_step(&guest->clients[i]);
    }
    if (guest->nic)
        nic_step(guest->nic, vp);
}

static bool
guest_wants(void *ctx, uint32_t vp)
{
    struct guest *guest = ctx;

    if (guest->config.polls)
        return true;
    for (uint32_t i = 0; i < GUEST_CLIENTS; i++) {
        if (atomic_load(&guest->clients[i].vp) == vp && client_wants(&guest->clients[i]))
            return true;
    }
    return guest->nic && nic_wants(guest->nic, vp);
}

void
guest_config_defaults(struct guest_config *config)
{
    memset(config, 0, sizeof(*config));
    config->requests = 50;
    config->ios = 8;
    config->io_blocks = GUEST_IO_BLOCKS;
    config->ring_pages = 4;
}

struct guest *
guest_boot(struct loop *loop, const struct guest_config *config)
{
    uint32_t pages =
        (uint32_t)((sizeof(struct guest) + ENL_PAGE_SIZE - 1) / ENL_PAGE_SIZE);
    struct guest *guest = loop_pages_get(loop, pages);

    guest->loop = loop;
    guest->config = *config;
    guest->rand.state = loop_rand_next(&loop->rand);
    if (config->nic_frames)
        guest->nic = nic_create(guest);
    loop->guest = guest;
    loop->guest_step = guest_step;
    loop->guest_wants = guest_wants;
    for (uint32_t vp = 0; vp < loop->config.vps; vp++)
        loop_ipi(loop, vp, VECTOR_IPI);
    return guest;
}

void
guest_unload(struct guest *guest, bool reconnect)
{
    guest->reconnect = reconnect;
    atomic_store(&guest->ask_unload, true);
    loop_ipi(guest->loop, 0, VECTOR_IPI);
}
