/* SPDX-License-Identifier: BSD-2-Clause */
/* A bus with a guest made by hand, a device and its workers. */
#include "vmbus_rig.h"

#include <string.h>

/* ---- the embedder ---- */

static void
rig_loop_wake(void *ctx)
{
    struct rig *rig = ctx;

    rig->loop_wakes++;
}

static int
rig_channel_start(void *ctx, struct enlh_channel *channel, uint32_t connection_id)
{
    struct rig *rig = ctx;
    struct rig_worker *worker = &rig->worker[enlh_channel_relid(channel)];

    assert_null(worker->channel);
    assert_int_equal(connection_id, 0x2000u | enlh_channel_relid(channel));
    if (rig->start_result < 0)
        return rig->start_result;
    worker->channel = channel;
    worker->connection_id = connection_id;
    worker->woken = true;
    worker->stopped = false;
    worker->starts++;
    enlh_channel_set_worker(channel, worker);
    return 0;
}

static void
rig_channel_stop(void *ctx, struct enlh_channel *channel, uint32_t connection_id)
{
    struct rig_worker *worker = enlh_channel_worker(channel);
    (void)ctx;

    assert_ptr_equal(worker->channel, channel);
    assert_int_equal(worker->connection_id, connection_id);
    assert_true(worker->stopped);
    worker->channel = NULL;
    worker->stops++;
}

static void
rig_channel_wake(void *ctx, struct enlh_channel *channel)
{
    struct rig *rig = ctx;
    struct rig_worker *worker = &rig->worker[enlh_channel_relid(channel)];

    assert_ptr_equal(worker->channel, channel);
    worker->woken = true;
    worker->wakes++;
}

static const struct enlh_vmbus_ops rig_bus_ops = {
    .size = sizeof(rig_bus_ops),
    .loop_wake = rig_loop_wake,
    .channel_start = rig_channel_start,
    .channel_stop = rig_channel_stop,
    .channel_wake = rig_channel_wake,
};

void
rig_start_ops(struct enlh_vmbus_ops *ops)
{
    *ops = rig_bus_ops;
}

/* ---- the device ---- */

static int
rig_dev_open(void *ctx, struct enlh_channel *channel)
{
    struct rig_device *dev = ctx;

    dev->channel = channel;
    if (dev->open_result < 0)
        return dev->open_result;
    dev->opens++;
    return 0;
}

static void
rig_dev_close(void *ctx, struct enlh_channel *channel)
{
    struct rig_device *dev = ctx;

    dev->channel = channel;
    dev->closes++;
}

static int
rig_dev_packet(void *ctx, struct enlh_channel *channel, const struct enlh_packet *packet)
{
    struct rig_device *dev = ctx;

    dev->channel = channel;
    dev->last = *packet;
    assert_true(packet->payload_len <= sizeof(dev->last_payload));
    memcpy(dev->last_payload, packet->payload, packet->payload_len);
    for (uint32_t i = 0; i < packet->span_count; i++)
        dev->last_spans[i] = packet->spans[i];
    if (dev->packet_result < 0 && (int)dev->packets >= dev->packet_after)
        return dev->packet_result;
    dev->packets++;
    if (dev->echo && enlh_channel_complete(channel, packet->transaction_id,
                                           packet->payload, packet->payload_len) < 0)
        dev->lose++;
    return 0;
}

static void
rig_dev_run(void *ctx, struct enlh_channel *channel)
{
    struct rig_device *dev = ctx;

    dev->runs++;
    if (dev->on_run)
        dev->on_run(dev, channel);
}

static void
rig_dev_flush(void *ctx, struct enlh_channel *channel)
{
    struct rig_device *dev = ctx;

    dev->channel = channel;
    dev->flushes++;
}

static bool
rig_dev_quiesce(void *ctx, struct enlh_channel *channel)
{
    struct rig_device *dev = ctx;

    dev->channel = channel;
    dev->quiesces++;
    return !dev->busy;
}

static void
rig_dev_removed(void *ctx, struct enlh_channel *channel)
{
    struct rig_device *dev = ctx;

    dev->channel = channel;
    dev->removed++;
}

const struct enlh_channel_ops rig_ops = {
    .size = sizeof(rig_ops),
    .max_payload = 4096,
    .max_spans = 64,
    .open = rig_dev_open,
    .close = rig_dev_close,
    .packet = rig_dev_packet,
    .run = rig_dev_run,
    .flush = rig_dev_flush,
    .quiesce = rig_dev_quiesce,
    .removed = rig_dev_removed,
};

struct enlh_offer
rig_offer_of(uint16_t number, uint16_t subchannel)
{
    struct enlh_offer offer = {
        .size = sizeof(offer),
        .type = {{0xee, 1}},
        .subchannel = subchannel,
        .name = "rig",
    };

    offer.instance.b[0] = (uint8_t)number;
    offer.instance.b[1] = (uint8_t)(number >> 8);
    return offer;
}

struct enlh_channel *
rig_offer(struct rig *rig, uint16_t number, uint16_t subchannel)
{
    struct enlh_offer offer = rig_offer_of(number, subchannel);
    struct enlh_channel *channel;

    assert_int_equal(enlh_channel_offer(rig->bus, &offer, &rig_ops, &rig->dev, &channel),
                     0);
    return channel;
}

/* ---- life ---- */

void
rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    fake_init(&rig->f);
    enlh_vmbus_config_defaults(&rig->config);
    rig->post_connection = ENL_VMBUS_CONNECTION_MESSAGE;
    rig->next_gpa = RIG_RAM_GPA;
    rig->next_handle = 0xe1e10;
}

void
rig_start(struct rig *rig, uint32_t vp_count)
{
    rig->f.config.vp_count = vp_count;
    fake_start(&rig->f);
    assert_int_equal(
        enlh_vmbus_create(rig->f.partition, &rig->config, &rig_bus_ops, rig, &rig->bus),
        0);
    fake_set(&rig->f, 0, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
    for (uint32_t i = 0; i < vp_count; i++) {
        fake_synic_on(&rig->f, i, RIG_SINT);
        memset(fake_at(&rig->f, FAKE_SIMP_GPA(i), 0x2000), 0, 0x2000);
    }
}

void
rig_boot(struct rig *rig, uint32_t version)
{
    rig_init(rig);
    rig_start(rig, 2);
    assert_int_equal(rig_negotiate(rig, version).supported, 1);
}

void
rig_finish(struct rig *rig)
{
    rig->dev.busy = false;
    for (uint32_t i = 0; i < ENLH_BUS_RELIDS; i++)
        if (rig->worker[i].channel)
            enlh_channel_wake(rig->worker[i].channel);
    rig_settle(rig);
}

void
rig_stop(struct rig *rig)
{
    rig_finish(rig);
    enlh_vmbus_reset(rig->bus);
    rig_settle(rig);
    assert_true(enlh_vmbus_idle(rig->bus));
    for (uint32_t i = 1; i < ENLH_BUS_RELIDS; i++)
        if (rig->bus->by_relid[i])
            enlh_channel_rescind(rig->bus->by_relid[i]);
    rig_settle(rig);
    enlh_vmbus_destroy(rig->bus);
    fake_fini(&rig->f);
}

void
rig_poll(struct rig *rig)
{
    for (uint32_t i = 0; enlh_vmbus_poll(rig->bus); i++)
        assert_true(i < 10000);
}

static bool
rig_turn(struct rig_worker *worker)
{
    bool worked = false;

    for (uint32_t i = 0; worker->channel && worker->woken && !worker->stopped; i++) {
        enum enlh_run run;

        assert_true(i < 10000);
        worker->woken = false;
        run = enlh_channel_run(worker->channel);
        worker->stopped = run == ENLH_RUN_STOPPED;
        worker->woken |= run == ENLH_RUN_MORE;
        worked = true;
    }
    return worked;
}

void
rig_work(struct rig *rig)
{
    for (uint32_t i = 0; i < ENLH_BUS_RELIDS; i++)
        (void)rig_turn(&rig->worker[i]);
}

void
rig_settle(struct rig *rig)
{
    bool worked;

    do {
        worked = false;
        rig_poll(rig);
        for (uint32_t i = 0; i < ENLH_BUS_RELIDS; i++)
            worked |= rig_turn(&rig->worker[i]);
    } while (worked);
    rig_poll(rig);
}

/* ---- the guest's messages ---- */

uint16_t
rig_post_raw(struct rig *rig, const void *message, uint32_t len)
{
    return fake_post(&rig->f, 0, rig->post_connection, ENL_MESSAGE_VMBUS, message, len);
}

void
rig_post(struct rig *rig, const void *message, uint32_t len)
{
    assert_int_equal(rig_post_raw(rig, message, len), ENL_HV_STATUS_SUCCESS);
    rig_poll(rig);
}

void
rig_post_relid(struct rig *rig, uint32_t type, uint32_t relid)
{
    struct enl_vmbus_relid message = {.head = {.type = type}, .relid = relid};

    rig_post(rig, &message, sizeof(message));
}

void
rig_post_head(struct rig *rig, uint32_t type)
{
    struct enl_vmbus_header message = {.type = type};

    rig_post(rig, &message, sizeof(message));
}

static bool
rig_take(struct rig *rig, struct enl_message *message)
{
    bool taken;

    rig_poll(rig);
    if (rig->f.interrupt_count > FAKE_RECORDS / 2)
        fake_forget(&rig->f);
    taken = fake_take_message(&rig->f, rig->vp, RIG_SINT, message);
    if (taken)
        assert_int_equal(message->type, ENL_MESSAGE_VMBUS);
    return taken;
}

void
rig_expect(struct rig *rig, uint32_t type, void *out, uint32_t len)
{
    struct enl_message message;
    struct enl_vmbus_header head;

    assert_true(rig_take(rig, &message));
    memcpy(&head, message.payload, sizeof(head));
    assert_int_equal(head.type, type);
    assert_int_equal(head.reserved, 0);
    if (out) {
        assert_int_equal(message.payload_len, len);
        memcpy(out, message.payload, len);
    }
}

void
rig_expect_none(struct rig *rig)
{
    struct enl_message message;

    assert_false(rig_take(rig, &message));
}

uint32_t
rig_drain(struct rig *rig)
{
    struct enl_message message;
    uint32_t count = 0;

    while (rig_take(rig, &message))
        count++;
    return count;
}

void
rig_contact(struct rig *rig, uint32_t version)
{
    struct enl_vmbus_initiate_contact contact = {
        .head = {.type = ENL_VMBUS_INITIATE_CONTACT},
        .version = version,
        .target_vp = rig->vp,
    };

    if (version >= ENL_VMBUS_VERSION_WIN10_5_0)
        contact.u.target.sint = RIG_SINT;
    rig_post(rig, &contact, sizeof(contact));
}

struct enl_vmbus_version_response
rig_negotiate(struct rig *rig, uint32_t version)
{
    struct enl_vmbus_version_response response;

    rig_contact(rig, version);
    rig_expect(rig, ENL_VMBUS_VERSION_RESPONSE, &response, sizeof(response));
    return response;
}

uint32_t
rig_request_offers(struct rig *rig)
{
    struct enl_message message;
    struct enl_vmbus_header head;
    uint32_t count = 0;

    rig_post_head(rig, ENL_VMBUS_REQUEST_OFFERS);
    for (;; count++) {
        assert_true(rig_take(rig, &message));
        memcpy(&head, message.payload, sizeof(head));
        if (head.type != ENL_VMBUS_OFFER_CHANNEL)
            break;
    }
    assert_int_equal(head.type, ENL_VMBUS_ALL_OFFERS_DELIVERED);
    return count;
}

/* ---- memory and channels ---- */

uint64_t
rig_pages(struct rig *rig, uint32_t count)
{
    uint64_t gpa = rig->next_gpa;

    rig->next_gpa += (uint64_t)count * ENL_PAGE_SIZE;
    assert_true(rig->next_gpa <= FAKE_RAM_LEN);
    return gpa;
}

static void
rig_post_bodies(struct rig *rig, uint32_t handle, const uint64_t *pfns, uint32_t count)
{
    struct {
        struct enl_vmbus_gpadl_body body;
        uint64_t pfn[ENL_VMBUS_GPADL_BODY_DATA / 8];
    } message = {.body = {.head = {.type = ENL_VMBUS_GPADL_BODY}, .gpadl = handle}};

    while (count) {
        uint32_t n = count < 28 ? count : 28;

        memcpy(message.pfn, pfns, n * sizeof(*pfns));
        rig_post(rig, &message, (uint32_t)(sizeof(message.body) + n * sizeof(*pfns)));
        pfns += n;
        count -= n;
    }
}

void
rig_post_gpadl(struct rig *rig, uint32_t relid, uint32_t handle, uint64_t gpa,
               uint32_t pages)
{
    struct {
        struct enl_vmbus_gpadl_header header;
        struct enl_gpa_range range;
        uint64_t pfn[26];
    } __attribute__((packed)) message = {
        .header = {.head = {.type = ENL_VMBUS_GPADL_HEADER},
                   .relid = relid,
                   .gpadl = handle,
                   .range_buf_len = (uint16_t)(8 + pages * 8),
                   .range_count = 1},
        .range = {.byte_count = pages * ENL_PAGE_SIZE},
    };
    uint64_t pfns[1024];
    uint32_t first = pages < 26 ? pages : 26;

    assert_true(pages <= 1024);
    for (uint32_t i = 0; i < pages; i++)
        pfns[i] = (gpa >> ENL_PAGE_SHIFT) + i;
    memcpy(message.pfn, pfns, first * sizeof(*pfns));
    rig_post(rig, &message, (uint32_t)(sizeof(message.header) + 8 + first * 8));
    rig_post_bodies(rig, handle, pfns + first, pages - first);
}

uint32_t
rig_gpadl(struct rig *rig, uint32_t relid, uint32_t handle, uint64_t gpa, uint32_t pages)
{
    struct enl_vmbus_gpadl_created created;

    rig_post_gpadl(rig, relid, handle, gpa, pages);
    rig_expect(rig, ENL_VMBUS_GPADL_CREATED, &created, sizeof(created));
    assert_int_equal(created.relid, relid);
    assert_int_equal(created.gpadl, handle);
    return created.status;
}

void
rig_post_teardown(struct rig *rig, uint32_t relid, uint32_t handle)
{
    struct enl_vmbus_gpadl_teardown message = {
        .head = {.type = ENL_VMBUS_GPADL_TEARDOWN}, .relid = relid, .gpadl = handle};

    rig_post(rig, &message, sizeof(message));
}

void
rig_post_open(struct rig *rig, const struct rig_guest *guest, uint32_t target_vp)
{
    struct enl_vmbus_open open = {
        .head = {.type = ENL_VMBUS_OPEN_CHANNEL},
        .relid = guest->relid,
        .open_id = guest->relid,
        .ring_gpadl = guest->handle,
        .target_vp = target_vp,
        .downstream_offset = guest->split,
    };

    rig_post(rig, &open, sizeof(open));
}

uint32_t
rig_expect_open(struct rig *rig, uint32_t relid)
{
    struct enl_vmbus_open_result result;

    rig_expect(rig, ENL_VMBUS_OPEN_RESULT, &result, sizeof(result));
    assert_int_equal(result.relid, relid);
    assert_int_equal(result.open_id, relid);
    return result.status;
}

static void
rig_view(struct rig *rig, uint64_t gpa, uint32_t pages, struct enl_ring_view *view)
{
    uint8_t *at = fake_at(&rig->f, gpa, (uint64_t)pages * ENL_PAGE_SIZE);

    memset(at, 0, (size_t)pages * ENL_PAGE_SIZE);
    *view = (struct enl_ring_view){
        .header = (struct enl_ring_header *)(void *)at,
        .base = at + ENL_PAGE_SIZE,
        .size = (pages - 1) * ENL_PAGE_SIZE,
    };
    enl_ring_header_init(view->header);
}

void
rig_prepare(struct rig *rig, struct rig_guest *guest, uint32_t relid)
{
    struct enl_ring_view view;

    *guest = (struct rig_guest){
        .relid = relid,
        .handle = rig->next_handle++,
        .pages = 2 * RIG_RING_LEN,
        .split = RIG_RING_LEN,
    };
    guest->gpa = rig_pages(rig, guest->pages);
    assert_int_equal(rig_gpadl(rig, relid, guest->handle, guest->gpa, guest->pages), 0);
    rig_view(rig, guest->gpa, guest->split, &view);
    assert_int_equal(enl_ring_producer_init(&guest->out, &view, false), 0);
    rig_view(rig, guest->gpa + guest->split * ENL_PAGE_SIZE, guest->pages - guest->split,
             &view);
    assert_int_equal(enl_ring_consumer_init(&guest->in, &view, false), 0);
}

void
rig_open(struct rig *rig, struct rig_guest *guest, uint32_t relid)
{
    rig_prepare(rig, guest, relid);
    rig_post_open(rig, guest, rig->vp);
    assert_int_equal(rig_expect_open(rig, relid), 0);
    rig_settle(rig);
    assert_true(rig_interrupted(rig, rig->vp, relid));
    fake_forget(&rig->f);
}

void
rig_close(struct rig *rig, const struct rig_guest *guest)
{
    rig_post_relid(rig, ENL_VMBUS_CLOSE_CHANNEL, guest->relid);
    rig_settle(rig);
}

struct enlh_channel *
rig_open_one(struct rig *rig, struct rig_guest *guest)
{
    struct enlh_channel *channel;

    rig_boot(rig, ENL_VMBUS_VERSION_WS2022);
    channel = rig_offer(rig, 1, 0);
    assert_int_equal(rig_request_offers(rig), 1);
    rig_open(rig, guest, enlh_channel_relid(channel));
    return channel;
}

/* ---- rings ---- */

bool
rig_send(struct rig_guest *guest, uint64_t id, const void *payload, uint32_t len)
{
    struct enl_ring_piece piece = {.data = payload, .len = len};

    assert_int_equal(enl_ring_put(&guest->out, ENL_PACKET_INBAND,
                                  ENL_PACKET_FLAG_COMPLETION, id, &piece, 1, 0),
                     0);
    return enl_ring_publish(&guest->out);
}

void
rig_signal(struct rig *rig, const struct rig_guest *guest)
{
    assert_int_equal(fake_signal(&rig->f, 0, 0x2000u | guest->relid, 0),
                     ENL_HV_STATUS_SUCCESS);
}

bool
rig_receive(struct rig_guest *guest, struct enl_ring_packet *packet, void *out,
            uint32_t len)
{
    int r = enl_ring_get(&guest->in, packet);

    assert_true(r >= 0);
    if (r == 0)
        return false;
    if (out) {
        assert_true(packet->payload_len >= len);
        assert_int_equal(enl_ring_copy(&guest->in, packet, packet->desc_len, out, len),
                         0);
    }
    return true;
}

bool
rig_interrupted(struct rig *rig, uint32_t vp, uint32_t relid)
{
    return fake_take_event(&rig->f, vp, RIG_SINT, relid);
}
