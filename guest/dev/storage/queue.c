/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/storage/queue.c - the requests of one channel of a controller
 *
 * Run by the kernel's submit and poll; the host answers with completions, each a private
 * copy here. A transaction id finds its request once, lengths that the host reports are
 * cut to what was asked for, and anything else that no request waits for gives the channel
 * up. Memory of a request is the host's until its answer, or until the channel is closed.
 * Tests: test/unit/guest_storage.c, test/loop/storage.c.
 */
#include "guest/dev/storage/storage.h"

#define POLL_MAX  64
#define TIMEOUT_S 60u

static struct storage_queue *
queue_of(struct enlg_storage_queue *queue)
{
    return (struct storage_queue *)queue;
}

static struct storage_queue *
of(struct queue *q)
{
    return (struct storage_queue *)q;
}

static bool
is_first(const struct storage_queue *q)
{
    return q == &q->storage->first;
}

/* ---- life; the bus's thread ---- */

static void
queue_tell(struct storage_queue *q, enum enlg_storage_event event)
{
    if (q->config.event)
        q->config.event(q->config.ctx, (struct enlg_storage *)q->storage, event);
}

static void
on_lost(struct queue *q)
{
    queue_tell(of(q), ENLG_STORAGE_LOST);
}

static void
on_ended(struct queue *q, void *cookie, int result)
{
    struct enlg_storage_io *io = cookie;

    if (cookie == of(q)->storage) /* a question of the start */
        return;
    io->result = result;
    io->moved = 0;
    io->sense_len = 0;
    io->done(io->ctx, io);
}

/* The controller's own end is told last: its queues point to it. */
static void
on_closed(struct queue *queue)
{
    struct storage_queue *q = of(queue);
    struct storage *s = q->storage;

    if (!is_first(q))
        queue_tell(q, ENLG_STORAGE_STOPPED);
    if (!s->queues)
        enlg_storage_tell(s, ENLG_STORAGE_STOPPED);
}

static void
on_signal(struct queue *queue)
{
    struct storage_queue *q = of(queue);

    if (q->config.signal)
        q->config.signal(q->config.ctx);
}

static const struct queue_ops ops = {
    .opened = queue_set_open,
    .lost = on_lost,
    .ended = on_ended,
    .closed = on_closed,
    .signal = on_signal,
};

static bool
config_is_good(const struct enlg_storage_config *config)
{
    return config->slots && config->slot_count != 0 && config->slot_count <= UINT16_MAX &&
           config->pfns && config->pfn_count >= 2;
}

int
enlg_storage_queue_open(struct storage_queue *q, struct storage *s,
                        struct enlg_channel *channel,
                        const struct enlg_storage_config *config)
{
    q->storage = s;
    q->queue.ops = &ops;
    q->queue.list = &s->queues;
    if (!config_is_good(config))
        return -ENL_E_INVAL;
    q->config = *config;
    enlg_requests_init(&q->queue.requests, config->slots, config->slot_count);
    return enlg_queue_open(&q->queue, channel,
                           (struct enlg_channel_config){
                               .ring = config->ring,
                               .send_len = config->send_len,
                               .recv_len = config->recv_len,
                               .vp = config->vp,
                           });
}

int
enlg_storage_queue_stop(struct enlg_storage_queue *queue)
{
    return enlg_queue_close(&queue_of(queue)->queue);
}

/* ---- answers; the channel's thread from here on ---- */

int
enlg_storage_queue_break(struct storage_queue *q, int error, const char *why)
{
    q->queue.error = error;
    if (is_first(q))
        storage_set_state(q->storage, STORAGE_BROKEN);
    log_line(q->storage->partition, ENLG_LOG_ERROR, why);
    return error;
}

static int
sense_error(const struct enlg_storage_io *io)
{
    uint8_t key = io->sense_len > 2 ? io->sense[2] & 0xF : ENL_SCSI_KEY_NO_SENSE;
    uint8_t asc = io->sense_len > 12 ? io->sense[12] : 0;

    if (key == ENL_SCSI_KEY_DATA_PROTECT)
        return -ENL_E_ROFS;
    if (key == ENL_SCSI_KEY_ILLEGAL_REQUEST && asc == ENL_SCSI_ASC_LBA_OUT_OF_RANGE >> 8)
        return -ENL_E_RANGE;
    if (key == ENL_SCSI_KEY_UNIT_ATTENTION)
        return -ENL_E_BUSY;
    return -ENL_E_IO;
}

static int
io_error(const struct enlg_storage_io *io)
{
    switch (io->srb_status & ENL_SRB_STATUS_MASK) {
    case ENL_SRB_STATUS_SUCCESS:
    case ENL_SRB_STATUS_DATA_OVERRUN: /* moved says how much less it was */
        return io->scsi_status == 0 ? 0 : sense_error(io);
    case ENL_SRB_STATUS_INVALID_LUN:
    case ENL_SRB_STATUS_INVALID_TARGET:
    case ENL_SRB_STATUS_INVALID_PATH:
    case ENL_SRB_STATUS_NO_DEVICE:
    case ENL_SRB_STATUS_SELECTION_TIMEOUT:
        return -ENL_E_NODEV;
    case ENL_SRB_STATUS_BUSY:
        return -ENL_E_BUSY;
    default:
        return sense_error(io);
    }
}

/* A unit attention that says that what is there has changed. */
static bool
sense_is_change(const struct enlg_storage_io *io)
{
    uint16_t code;

    if (io->sense_len < 14 || (io->sense[2] & 0xF) != ENL_SCSI_KEY_UNIT_ATTENTION)
        return false;
    code = (uint16_t)(io->sense[12] << 8 | io->sense[13]);
    return code == ENL_SCSI_ASC_CAPACITY_CHANGED || code == ENL_SCSI_ASC_MEDIUM_CHANGED ||
           code == ENL_SCSI_ASC_LUNS_CHANGED;
}

static void
io_answered(const struct storage_queue *q, struct enlg_storage_io *io,
            const struct enl_srb *srb)
{
    io->srb_status = srb->srb_status;
    io->scsi_status = srb->scsi_status;
    io->moved =
        srb->data_transfer_len < io->data_len ? srb->data_transfer_len : io->data_len;
    io->sense_len = 0;
    if (srb->srb_status & ENL_SRB_STATUS_AUTOSENSE_VALID) {
        io->sense_len =
            srb->sense_len < sizeof(io->sense) ? srb->sense_len : sizeof(io->sense);
        memcpy(io->sense, srb->cdb_or_sense, io->sense_len);
    }
    io->result = io_error(io);
    if (io->result)
        io->moved = 0;
    if (sense_is_change(io))
        enlg_storage_tell(q->storage, ENLG_STORAGE_RESCAN);
    io->done(io->ctx, io);
}

static int
completion_take(struct storage_queue *q, const struct enlg_packet *packet,
                const struct enl_storage_packet *answer)
{
    void *cookie = enlg_requests_put(&q->queue.requests, packet->transaction_id);

    if (!cookie)
        return enlg_storage_queue_break(q, -ENL_E_PROTO,
                                        "storage: an answer that nobody asked for");
    if (packet->payload_len < ENLG_STORAGE_PACKET_LEN ||
        answer->operation != ENL_STORAGE_COMPLETE_IO) {
        /* The request is answered for good: its id is used up. */
        struct enl_srb nothing = {.srb_status = ENL_SRB_STATUS_INTERNAL_ERROR};

        if (cookie != q->storage)
            io_answered(q, cookie, &nothing);
        return enlg_storage_queue_break(q, -ENL_E_PROTO,
                                        "storage: an answer of a wrong form");
    }
    if (cookie == q->storage)
        return enlg_storage_answered(q->storage, answer);
    io_answered(q, cookie, &answer->u.srb);
    return 0;
}

static int
packet_take(struct storage_queue *q, const struct enlg_packet *packet,
            const struct enl_storage_packet *body)
{
    if (packet->type == ENL_PACKET_COMPLETION)
        return completion_take(q, packet, body);
    if (packet->type != ENL_PACKET_INBAND || packet->payload_len < sizeof(uint32_t))
        return enlg_storage_queue_break(q, -ENL_E_PROTO,
                                        "storage: a packet of a wrong type");
    if (body->operation == ENL_STORAGE_ENUMERATE_BUS ||
        body->operation == ENL_STORAGE_REMOVE_DEVICE)
        enlg_storage_tell(q->storage, ENLG_STORAGE_RESCAN);
    return 0;
}

/* Returns 1 when a packet was taken, 0 when there is none, or a failure. */
static int
packet_next(struct storage_queue *q)
{
    /* In 8-byte words: the ring pads what it gives. */
    uint64_t buffer[(sizeof(struct enl_storage_packet) + 7) / 8] = {0};
    struct enl_storage_packet body;
    struct enlg_packet packet;
    int rc = enlg_packet_get(q->queue.channel, buffer, sizeof(buffer), &packet);

    if (rc == -ENL_E_MSGSIZE || (rc == 1 && packet.desc_len != 0))
        return enlg_storage_queue_break(q, -ENL_E_PROTO,
                                        "storage: a packet that is too long");
    if (rc == -ENL_E_PROTO)
        return enlg_storage_queue_break(q, rc, "storage: the ring is broken");
    if (rc <= 0)
        return rc;
    memcpy(&body, buffer, sizeof(body));
    rc = packet_take(q, &packet, &body);
    return rc ? rc : 1;
}

int
enlg_storage_queue_poll(struct enlg_storage_queue *queue)
{
    struct storage_queue *q = queue_of(queue);
    int count = 0, rc = q->queue.error;

    /* Not the channel's own state: one that never opens goes without a word here. */
    if (rc || !queue_is_open(&q->queue))
        return rc;
    if (storage_state(q->storage) == STORAGE_OPENING && is_first(q))
        rc = enlg_storage_begin(q->storage);
    if (rc)
        return rc;
    do {
        while (count < POLL_MAX && (rc = packet_next(q)) == 1)
            count++;
        if (rc < 0)
            return rc;
        rc = enlg_storage_queue_kick(queue);
        if (rc)
            return rc;
        if (count == POLL_MAX) {
            rc = enlg_packet_release(q->queue.channel);
            return rc ? rc : count;
        }
    } while (enlg_packet_sleep(q->queue.channel));
    return count;
}

/* ---- requests ---- */

static void
srb_fill(struct enl_srb *srb, const struct enlg_storage_io *io)
{
    srb->length = ENL_SRB_LEN_WIN8;
    srb->path = io->path;
    srb->target = io->target;
    srb->lun = io->lun;
    srb->cdb_len = io->cdb_len;
    srb->sense_len = ENL_SRB_SENSE_LEN_8;
    srb->data_in = io->data_in;
    srb->data_transfer_len = io->data_len;
    memcpy(srb->cdb_or_sense, io->cdb, ENL_SRB_CDB_LEN);
    srb->queue_action = ENL_SRB_QUEUE_SIMPLE;
    srb->srb_flags = ENL_SRB_FLAG_DISABLE_SYNC_TRANSFER;
    if (io->data_in == ENL_STORAGE_DATA_READ)
        srb->srb_flags |= ENL_SRB_FLAG_DATA_IN;
    if (io->data_in == ENL_STORAGE_DATA_WRITE)
        srb->srb_flags |= ENL_SRB_FLAG_DATA_OUT;
    srb->timeout_s = TIMEOUT_S;
}

static int
io_put(struct storage_queue *q, const struct enlg_storage_io *io,
       const struct enlg_send *send, uint32_t *desc_len)
{
    struct enlg_multipage buffer;
    int rc;

    *desc_len = 0;
    if (io->data_len == 0)
        return enlg_packet_put(q->queue.channel, send);
    rc = enlg_packet_pages_of(q->storage->partition, io->data, io->data_len,
                              q->config.pfns, q->config.pfn_count, &buffer);
    if (rc)
        return rc;
    *desc_len = (uint32_t)(sizeof(struct enl_packet_gpa_direct) +
                           sizeof(struct enl_gpa_range) - sizeof(struct enl_packet)) +
                buffer.page_count * (uint32_t)sizeof(uint64_t);
    return enlg_packet_put_multipage(q->queue.channel, send, &buffer);
}

static bool
io_is_good(const struct enlg_storage_io *io)
{
    return io->done && io->cdb_len != 0 && io->cdb_len <= ENL_SRB_CDB_LEN &&
           io->data_in <= ENL_STORAGE_DATA_NONE &&
           (io->data_len == 0) == (io->data_in == ENL_STORAGE_DATA_NONE) &&
           (io->data || io->data_len == 0);
}

int
enlg_storage_queue_submit(struct enlg_storage_queue *queue, struct enlg_storage_io *io)
{
    struct storage_queue *q = queue_of(queue);
    struct enl_storage_packet packet = {
        .operation = ENL_STORAGE_EXECUTE_SRB,
        .flags = ENL_STORAGE_FLAG_COMPLETION,
    };
    struct enlg_send send = {
        .payload = &packet,
        .payload_len = ENLG_STORAGE_PACKET_LEN,
        .wants_completion = true,
    };
    uint32_t desc_len;
    int rc;

    if (storage_state(q->storage) != STORAGE_READY || !queue_is_open(&q->queue) ||
        !io_is_good(io))
        return -ENL_E_INVAL;
    if (io->data_len > q->storage->max_transfer)
        return -ENL_E_RANGE;
    srb_fill(&packet.u.srb, io);
    rc = enlg_requests_get(&q->queue.requests, io, &send.transaction_id);
    if (rc)
        return rc;
    rc = io_put(q, io, &send, &desc_len);
    if (rc == -ENL_E_AGAIN) {
        rc = enlg_queue_make_room(&q->queue, ENLG_STORAGE_PACKET_LEN, desc_len);
        if (!rc)
            rc = io_put(q, io, &send, &desc_len);
    }
    if (rc)
        (void)enlg_requests_put(&q->queue.requests, send.transaction_id);
    return rc;
}

int
enlg_storage_queue_kick(struct enlg_storage_queue *queue)
{
    return enlg_packet_publish(queue_of(queue)->queue.channel);
}
