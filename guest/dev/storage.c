/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/storage.c - the driver of a synthetic SCSI controller
 *
 * Run by the kernel's submit and poll; the host answers with completions, each a private
 * copy here. A transaction id finds its request once, lengths that the host reports are
 * cut to what was asked for, and anything else that no request waits for gives the
 * controller up. Memory of a request is the host's until its answer, or until the channel
 * is closed. [storvsp: enlight/abi/storage.h]
 * Tests: test/unit/guest_storage.c, test/loop/storage.c, test/loop/life.c.
 */
#include "enlight/guest/storage.h"
#include "enlight/guest/packet.h"
#include "guest/core/core.h"

#define POLL_MAX  64
#define TIMEOUT_S 60u
/* Answers are one packet; what the host sends on its own may be shorter. */
#define PACKET_LEN ((uint32_t)sizeof(struct enl_storage_packet))

/* Each state but the last two sends one question when it is entered. */
enum storage_state {
    STORAGE_OPENING,    /* the channel is not open yet */
    STORAGE_BEGIN,      /* BEGIN_INIT asked */
    STORAGE_VERSION,    /* QUERY_VERSION asked */
    STORAGE_PROPERTIES, /* QUERY_PROPERTIES asked */
    STORAGE_END,        /* END_INIT asked */
    STORAGE_READY,
    STORAGE_BROKEN, /* given up; see error */
};

static const uint16_t versions[] = {ENL_STORAGE_VERSION_WIN10, ENL_STORAGE_VERSION_WIN8_1,
                                    ENL_STORAGE_VERSION_WIN8};
#define VERSION_COUNT (sizeof(versions) / sizeof(versions[0]))

struct storage {
    struct enlg_channel *channel;
    const struct enlg_partition *partition;
    struct enlg_storage_config config;
    struct enlg_requests requests;
    uint32_t max_transfer;
    uint8_t state;   /* enum storage_state */
    uint8_t version; /* index of versions[] */
    bool opened;     /* set by the bus, read by the channel's thread */
    int error;
};
ENLG_FITS(struct storage, struct enlg_storage);

static struct storage *
storage_of(struct enlg_storage *storage)
{
    return (struct storage *)storage;
}

static void
storage_tell(struct storage *s, enum enlg_storage_event event)
{
    s->config.event(s->config.ctx, (struct enlg_storage *)s, event);
}

/* ---- life; the bus's thread ---- */

static void
requests_cancel(struct storage *s)
{
    void *cookie;

    while ((cookie = enlg_requests_take_any(&s->requests))) {
        struct enlg_storage_io *io = cookie;

        if (cookie == s) /* a question of the start */
            continue;
        io->result = -ENL_E_CANCELED;
        io->moved = 0;
        io->sense_len = 0;
        io->done(io->ctx, io);
    }
}

static void
channel_event(void *ctx, struct enlg_channel *channel, enum enlg_channel_event event,
              int status)
{
    struct storage *s = ctx;

    (void)channel;
    switch (event) {
    case ENLG_CHANNEL_OPENED:
        if (status)
            storage_tell(s, ENLG_STORAGE_LOST);
        else
            __atomic_store_n(&s->opened, true, __ATOMIC_RELEASE);
        break;
    case ENLG_CHANNEL_RESCINDED:
        storage_tell(s, ENLG_STORAGE_LOST);
        break;
    case ENLG_CHANNEL_CLOSED:
        requests_cancel(s);
        storage_tell(s, ENLG_STORAGE_STOPPED);
        break;
    case ENLG_CHANNEL_MOVED:
        break;
    }
}

static void
channel_signal(void *ctx, struct enlg_channel *channel)
{
    struct storage *s = ctx;

    (void)channel;
    if (s->config.signal)
        s->config.signal(s->config.ctx);
}

int
enlg_storage_start(struct enlg_storage *out, struct enlg_channel *channel,
                   const struct enlg_storage_config *config)
{
    struct storage *s = storage_of(out);
    struct enlg_channel_config c = {
        .size = sizeof(c),
        .ring = config->ring,
        .send_len = config->send_len,
        .recv_len = config->recv_len,
        .vp = config->vp,
        .event = channel_event,
        .signal = channel_signal,
        .ctx = s,
    };

    if (config->size != sizeof(*config) || !config->event || !config->slots ||
        config->slot_count == 0 || config->slot_count > UINT16_MAX || !config->pfns ||
        config->pfn_count < 2)
        return -ENL_E_INVAL;
    memset(out, 0, sizeof(*out));
    s->channel = channel;
    s->partition = enlg_vmbus_partition(enlg_channel_bus(channel));
    s->config = *config;
    s->state = STORAGE_OPENING;
    enlg_requests_init(&s->requests, config->slots, config->slot_count);
    return enlg_channel_open(channel, &c);
}

int
enlg_storage_stop(struct enlg_storage *storage)
{
    return enlg_channel_close(storage_of(storage)->channel);
}

/* ---- the start; the channel's thread from here on ---- */

static int
storage_break(struct storage *s, int error, const char *why)
{
    s->state = STORAGE_BROKEN;
    s->error = error;
    log_line(s->partition, ENLG_LOG_ERROR, why);
    return error;
}

static const uint32_t questions[] = {
    [STORAGE_BEGIN] = ENL_STORAGE_BEGIN_INIT,
    [STORAGE_VERSION] = ENL_STORAGE_QUERY_VERSION,
    [STORAGE_PROPERTIES] = ENL_STORAGE_QUERY_PROPERTIES,
    [STORAGE_END] = ENL_STORAGE_END_INIT,
};

/* Enter a state of the start, and ask its question. */
static int
question_ask(struct storage *s, enum storage_state state)
{
    struct enl_storage_packet packet = {
        .operation = questions[state],
        .flags = ENL_STORAGE_FLAG_COMPLETION,
    };
    struct enlg_send send = {
        .payload = &packet,
        .payload_len = PACKET_LEN,
        .wants_completion = true,
    };
    int rc;

    if (state == STORAGE_VERSION)
        packet.u.version.version = versions[s->version];
    s->state = (uint8_t)state;
    rc = enlg_requests_get(&s->requests, s, &send.transaction_id);
    if (!rc)
        rc = enlg_packet_put(s->channel, &send);
    return rc;
}

static int
version_refused(struct storage *s)
{
    if (++s->version == VERSION_COUNT)
        return storage_break(s, -ENL_E_NOTSUP, "storage: no common version");
    return question_ask(s, STORAGE_VERSION);
}

static void
properties_take(struct storage *s, const struct enl_storage_properties *p)
{
    uint32_t mine = (s->config.pfn_count - 1) * ENL_PAGE_SIZE;

    s->max_transfer = p->max_transfer_len < mine ? p->max_transfer_len : mine;
}

/* The answer to the question of the state. */
static int
question_answered(struct storage *s, const struct enl_storage_packet *packet)
{
    bool good = packet->status == ENL_STORAGE_STATUS_SUCCESS;

    if (s->state == STORAGE_VERSION && !good)
        return version_refused(s);
    if (!good)
        return storage_break(s, -ENL_E_IO, "storage: the host refused to start");
    switch (s->state) {
    case STORAGE_BEGIN:
        return question_ask(s, STORAGE_VERSION);
    case STORAGE_VERSION:
        return question_ask(s, STORAGE_PROPERTIES);
    case STORAGE_PROPERTIES:
        properties_take(s, &packet->u.properties);
        return question_ask(s, STORAGE_END);
    default:
        s->state = STORAGE_READY;
        storage_tell(s, ENLG_STORAGE_READY);
        return 0;
    }
}

/* ---- answers ---- */

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

static void
io_answered(struct enlg_storage_io *io, const struct enl_srb *srb)
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
    io->done(io->ctx, io);
}

static int
completion_take(struct storage *s, const struct enlg_packet *packet,
                const struct enl_storage_packet *answer)
{
    void *cookie = enlg_requests_put(&s->requests, packet->transaction_id);

    if (!cookie)
        return storage_break(s, -ENL_E_PROTO, "storage: an answer that nobody asked for");
    if (packet->payload_len < PACKET_LEN ||
        answer->operation != ENL_STORAGE_COMPLETE_IO) {
        /* The request is answered for good: its id is used up. */
        struct enl_srb nothing = {.srb_status = ENL_SRB_STATUS_INTERNAL_ERROR};

        if (cookie != s)
            io_answered(cookie, &nothing);
        return storage_break(s, -ENL_E_PROTO, "storage: an answer of a wrong form");
    }
    if (cookie == s)
        return question_answered(s, answer);
    io_answered(cookie, &answer->u.srb);
    return 0;
}

static int
packet_take(struct storage *s, const struct enlg_packet *packet,
            const struct enl_storage_packet *body)
{
    if (packet->type == ENL_PACKET_COMPLETION)
        return completion_take(s, packet, body);
    if (packet->type != ENL_PACKET_INBAND || packet->payload_len < sizeof(uint32_t))
        return storage_break(s, -ENL_E_PROTO, "storage: a packet of a wrong type");
    if (body->operation == ENL_STORAGE_ENUMERATE_BUS ||
        body->operation == ENL_STORAGE_REMOVE_DEVICE)
        storage_tell(s, ENLG_STORAGE_RESCAN);
    return 0;
}

/* Returns 1 when a packet was taken, 0 when there is none, or a failure. */
static int
packet_next(struct storage *s)
{
    /* In 8-byte words: the ring pads what it gives. */
    uint64_t buffer[(sizeof(struct enl_storage_packet) + 7) / 8] = {0};
    struct enl_storage_packet body;
    struct enlg_packet packet;
    int rc = enlg_packet_get(s->channel, buffer, sizeof(buffer), &packet);

    if (rc == -ENL_E_MSGSIZE || (rc == 1 && packet.desc_len != 0))
        return storage_break(s, -ENL_E_PROTO, "storage: a packet that is too long");
    if (rc == -ENL_E_PROTO)
        return storage_break(s, rc, "storage: the ring is broken");
    if (rc <= 0)
        return rc;
    memcpy(&body, buffer, sizeof(body));
    rc = packet_take(s, &packet, &body);
    return rc ? rc : 1;
}

static int
start_if_open(struct storage *s)
{
    if (s->state == STORAGE_BROKEN)
        return s->error;
    /* Not the channel's own state: a channel that never opens goes without a word here. */
    if (s->state != STORAGE_OPENING || !__atomic_load_n(&s->opened, __ATOMIC_ACQUIRE))
        return 0;
    return question_ask(s, STORAGE_BEGIN);
}

int
enlg_storage_poll(struct enlg_storage *out)
{
    struct storage *s = storage_of(out);
    int count = 0;
    int rc = start_if_open(s);

    if (rc || s->state == STORAGE_OPENING)
        return rc;
    do {
        while (count < POLL_MAX && (rc = packet_next(s)) == 1)
            count++;
        if (rc < 0)
            return rc;
        rc = enlg_storage_kick(out);
        if (rc)
            return rc;
        if (count == POLL_MAX) {
            rc = enlg_packet_release(s->channel);
            return rc ? rc : count;
        }
    } while (enlg_packet_sleep(s->channel));
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
io_put(struct storage *s, const struct enlg_storage_io *io, const struct enlg_send *send,
       uint32_t *desc_len)
{
    struct enlg_multipage buffer;
    int rc;

    *desc_len = 0;
    if (io->data_len == 0)
        return enlg_packet_put(s->channel, send);
    rc = enlg_packet_pages_of(s->partition, io->data, io->data_len, s->config.pfns,
                              s->config.pfn_count, &buffer);
    if (rc)
        return rc;
    *desc_len = (uint32_t)(sizeof(struct enl_packet_gpa_direct) +
                           sizeof(struct enl_gpa_range) - sizeof(struct enl_packet)) +
                buffer.page_count * (uint32_t)sizeof(uint64_t);
    return enlg_packet_put_multipage(s->channel, send, &buffer);
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
enlg_storage_submit(struct enlg_storage *out, struct enlg_storage_io *io)
{
    struct storage *s = storage_of(out);
    struct enl_storage_packet packet = {
        .operation = ENL_STORAGE_EXECUTE_SRB,
        .flags = ENL_STORAGE_FLAG_COMPLETION,
    };
    struct enlg_send send = {
        .payload = &packet,
        .payload_len = PACKET_LEN,
        .wants_completion = true,
    };
    uint32_t desc_len;
    int rc;

    if (s->state != STORAGE_READY || !io_is_good(io))
        return -ENL_E_INVAL;
    if (io->data_len > s->max_transfer)
        return -ENL_E_RANGE;
    srb_fill(&packet.u.srb, io);
    rc = enlg_requests_get(&s->requests, io, &send.transaction_id);
    if (rc)
        return rc;
    rc = io_put(s, io, &send, &desc_len);
    if (rc == -ENL_E_AGAIN) {
        /* Full of what is not shown yet, or of what the host has not read. */
        rc = enlg_packet_publish(s->channel);
        if (!rc)
            rc = enlg_packet_wait(s->channel, PACKET_LEN, desc_len)
                     ? io_put(s, io, &send, &desc_len)
                     : -ENL_E_AGAIN;
    }
    if (rc)
        (void)enlg_requests_put(&s->requests, send.transaction_id);
    return rc;
}

int
enlg_storage_kick(struct enlg_storage *storage)
{
    return enlg_packet_publish(storage_of(storage)->channel);
}

/* ---- questions ---- */

bool
enlg_storage_is_ready(const struct enlg_storage *storage)
{
    return ((const struct storage *)storage)->state == STORAGE_READY;
}

uint32_t
enlg_storage_max_transfer(const struct enlg_storage *storage)
{
    return ((const struct storage *)storage)->max_transfer;
}

uint16_t
enlg_storage_version(const struct enlg_storage *storage)
{
    return versions[((const struct storage *)storage)->version];
}

/* ---- SCSI ---- */

static void
put_be(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--, value >>= 8)
        to[i] = (uint8_t)(value & 0xFF);
}

static uint64_t
get_be(const uint8_t *from, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

static void
cdb_fill(struct enlg_storage_io *io, uint8_t opcode, uint8_t cdb_len, uint8_t data_in)
{
    memset(io->cdb, 0, sizeof(io->cdb));
    io->cdb[0] = opcode;
    io->cdb_len = cdb_len;
    io->data_in = data_in;
}

static void
cdb_fill_range(struct enlg_storage_io *io, uint64_t lba, uint32_t block_count)
{
    put_be(&io->cdb[2], lba, 8);
    put_be(&io->cdb[10], block_count, 4);
}

void
enlg_storage_read(struct enlg_storage_io *io, uint64_t lba, uint32_t block_count,
                  void *data, uint32_t data_len)
{
    cdb_fill(io, ENL_SCSI_READ_16, 16, ENL_STORAGE_DATA_READ);
    cdb_fill_range(io, lba, block_count);
    io->data = data;
    io->data_len = data_len;
}

void
enlg_storage_write(struct enlg_storage_io *io, uint64_t lba, uint32_t block_count,
                   const void *data, uint32_t data_len)
{
    cdb_fill(io, ENL_SCSI_WRITE_16, 16, ENL_STORAGE_DATA_WRITE);
    cdb_fill_range(io, lba, block_count);
    io->data = (void *)(uintptr_t)data;
    io->data_len = data_len;
}

void
enlg_storage_flush(struct enlg_storage_io *io)
{
    cdb_fill(io, ENL_SCSI_SYNCHRONIZE_CACHE_10, 10, ENL_STORAGE_DATA_NONE);
    io->data = NULL;
    io->data_len = 0;
}

void
enlg_storage_capacity(struct enlg_storage_io *io, void *answer)
{
    cdb_fill(io, ENL_SCSI_SERVICE_ACTION_IN_16, 16, ENL_STORAGE_DATA_READ);
    io->cdb[1] = ENL_SCSI_SA_READ_CAPACITY_16;
    put_be(&io->cdb[10], ENLG_STORAGE_CAPACITY_LEN, 4);
    io->data = answer;
    io->data_len = ENLG_STORAGE_CAPACITY_LEN;
}

int
enlg_storage_capacity_parse(const struct enlg_storage_io *io, uint64_t *block_count,
                            uint32_t *block_size)
{
    uint8_t answer[12];
    uint64_t last;
    uint32_t size;

    if (io->result || io->moved < sizeof(answer))
        return -ENL_E_PROTO;
    memcpy(answer, io->data, sizeof(answer)); /* the host may still write there */
    last = get_be(answer, 8);
    size = (uint32_t)get_be(answer + 8, 4);
    if (last == UINT64_MAX || size < 512 || size > 65536 || (size & (size - 1)) != 0)
        return -ENL_E_PROTO;
    *block_count = last + 1;
    *block_size = size;
    return 0;
}
