/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EXECUTE_SRB: from a SCSI request block to a backend's request, and back to an answer.
 *
 * Runs: the guest, with any SRB and any buffer, on a channel's thread. The SRB is a
 * private copy and is turned into the answer in place. Buffers are spans that the bus has
 * checked; what the guest says of its buffer's length is checked against them. Data moves
 * between backend and guest memory without a copy; only responses and parameters, at most
 * a page, are copied.
 * Trusts the backend for the bytes of a disk, and for nothing in guest memory.
 * [SPC-4, SBC-3; SRB statuses: enlight/abi/storage.h]
 * Tests: test/unit/storage_srb.c.
 */
#include "host/dev/storage/controller.h"

#include <string.h>

#include "host/core/log.h"

/* ---- answers, written over the guest's packet ---- */

static uint32_t
srb_packet_status(uint8_t srb_status)
{
    switch (srb_status & ENL_SRB_STATUS_MASK) {
    case ENL_SRB_STATUS_SUCCESS:
        return ENL_STORAGE_STATUS_SUCCESS;
    case ENL_SRB_STATUS_BUSY:
        return ENL_STORAGE_STATUS_DEVICE_BUSY;
    case ENL_SRB_STATUS_INVALID_LUN:
        return ENL_STORAGE_STATUS_DEVICE_NOT_THERE;
    case ENL_SRB_STATUS_INVALID_REQUEST:
        return ENL_STORAGE_STATUS_INVALID_DEVICE_REQUEST;
    case ENL_SRB_STATUS_DATA_OVERRUN:
        return ENL_STORAGE_STATUS_BUFFER_OVERFLOW;
    case ENL_SRB_STATUS_ABORTED:
        return ENL_STORAGE_STATUS_CANCELLED;
    default:
        return ENL_STORAGE_STATUS_IO_DEVICE_ERROR;
    }
}

/* moved is what the guest takes for its residual: the bytes of its buffer that count. */
static void
srb_set(struct enlh_lane_request *request, uint8_t srb_status, uint8_t scsi_status,
        uint32_t moved)
{
    struct enl_storage_packet *packet = &request->packet;

    packet->operation = ENL_STORAGE_COMPLETE_IO;
    packet->flags = 0;
    packet->status = srb_packet_status(srb_status);
    packet->u.srb.srb_status = srb_status;
    packet->u.srb.scsi_status = scsi_status;
    packet->u.srb.data_transfer_len = moved;
}

/* The sense goes where the CDB was, if the guest takes it. */
static void
srb_set_sense(struct enlh_lane_request *request, uint8_t key, uint16_t asc)
{
    struct enl_srb *srb = &request->packet.u.srb;
    uint8_t sense[ENL_SCSI_SENSE_LEN];
    uint8_t status = ENL_SRB_STATUS_ERROR;
    uint8_t len = srb->sense_len;

    if (len > ENL_SCSI_SENSE_LEN)
        len = ENL_SCSI_SENSE_LEN;
    if (request->packet_len >= ENL_STORAGE_PACKET_LEN_WIN8 &&
        (srb->srb_flags & ENL_SRB_FLAG_DISABLE_AUTOSENSE))
        len = 0;
    memset(srb->cdb_or_sense, 0, sizeof(srb->cdb_or_sense));
    if (len) {
        enlh_scsi_sense(key, asc, sense);
        memcpy(srb->cdb_or_sense, sense, len);
        status |= (uint8_t)ENL_SRB_STATUS_AUTOSENSE_VALID;
    }
    srb->sense_len = len;
    srb_set(request, status, ENL_SCSI_STATUS_CHECK_CONDITION, 0);
}

static int
srb_answer_sense(struct enlh_lane_request *request, uint8_t key, uint16_t asc)
{
    srb_set_sense(request, key, asc);
    enlh_lane_answer(request);
    return 0;
}

static int
srb_answer(struct enlh_lane_request *request, uint8_t srb_status, uint8_t scsi_status,
           uint32_t moved)
{
    srb_set(request, srb_status, scsi_status, moved);
    enlh_lane_answer(request);
    return 0;
}

/* The guest's fault, and none that SCSI has a sense for. */
static int
srb_answer_malformed(struct enlh_lane_request *request)
{
    enlh_storage_count(&request->lane->port->counts.refused, 1);
    return srb_answer(request, ENL_SRB_STATUS_INVALID_REQUEST, ENL_SCSI_STATUS_GOOD, 0);
}

/* ---- parameters and responses: copied ---- */

enum srb_direction { SRB_TO_GUEST, SRB_FROM_GUEST };

/* Copy len bytes, which the spans have, between the guest's buffer and ours. */
static void
srb_copy(const struct enlh_lane *lane, const struct enlh_packet *packet, uint8_t *ours,
         uint32_t len, enum srb_direction direction)
{
    for (uint32_t i = 0; i < packet->span_count && len; i++) {
        const struct enlh_span *span = &packet->spans[i];
        void *theirs = enlh_mem_span_host(lane->storage->partition, span);
        uint32_t part = span->len < len ? (uint32_t)span->len : len;

        if (direction == SRB_TO_GUEST)
            memcpy(theirs, ours, part);
        else
            memcpy(ours, theirs, part);
        ours += part;
        len -= part;
    }
}

/* More than the buffer takes is an overrun, with the buffer full. */
static int
srb_respond(struct enlh_lane_request *request, const struct enlh_packet *packet,
            uint32_t len)
{
    const struct enl_srb *srb = &request->packet.u.srb;
    uint32_t room = srb->data_transfer_len;
    uint32_t moved = len < room ? len : room;
    uint8_t status = len > room ? ENL_SRB_STATUS_DATA_OVERRUN : ENL_SRB_STATUS_SUCCESS;

    if (len && srb->data_in != ENL_STORAGE_DATA_READ)
        return srb_answer_malformed(request);
    srb_copy(request->lane, packet, request->lane->response, moved, SRB_TO_GUEST);
    return srb_answer(request, status, ENL_SCSI_STATUS_GOOD, moved);
}

/* ---- what goes to the backend ---- */

static int
srb_submit(struct enlh_lane_request *request, enum enlh_block_op op, uint64_t offset,
           uint64_t len)
{
    request->block.op = op;
    request->block.offset = offset;
    request->block.len = len;
    if (enlh_lane_submit(request) == 0)
        return 0;
    return srb_answer(request, ENL_SRB_STATUS_BUSY, ENL_SCSI_STATUS_TASK_SET_FULL, 0);
}

/*
 * Take the first need bytes of the packet's spans; neighbours become one span. Returns 0,
 * or -ENL_E_AGAIN: too many for the request, and no long array is free.
 */
static int
srb_take_spans(struct enlh_lane_request *request, const struct enlh_packet *packet,
               uint64_t need)
{
    struct enlh_span *to = request->u.spans;
    uint32_t room = ENLH_LANE_SPANS, count = 0;

    for (uint32_t i = 0; i < packet->span_count && need; i++) {
        struct enlh_span span = packet->spans[i];
        struct enlh_span *last = count ? &to[count - 1] : NULL;

        if (span.len > need)
            span.len = need;
        need -= span.len;
        if (last && last->region == span.region &&
            last->offset + last->len == span.offset) {
            last->len += span.len;
            continue;
        }
        if (count == room) {
            struct enlh_span *large = enlh_lane_get_large(request);

            if (!large)
                return -ENL_E_AGAIN;
            memcpy(large, to, count * sizeof(*to));
            to = large;
            room = request->lane->storage->max_spans;
        }
        to[count++] = span;
    }
    request->block.spans = to;
    request->block.span_count = count;
    return 0;
}

static int
srb_move(struct enlh_lane_request *request, const struct enlh_packet *packet,
         const struct enlh_scsi_action *action)
{
    const struct enl_srb *srb = &request->packet.u.srb;
    struct enlh_port_counts *counts = &request->lane->port->counts;
    bool read = action->verb == ENLH_SCSI_READ;

    if (srb->data_in != (read ? ENL_STORAGE_DATA_READ : ENL_STORAGE_DATA_WRITE))
        return srb_answer_malformed(request);
    if (srb->data_transfer_len < action->len)
        return srb_answer_sense(request, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                                ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    if (srb_take_spans(request, packet, action->len) < 0)
        return -ENL_E_AGAIN;
    enlh_storage_count(read ? &counts->reads : &counts->writes, 1);
    request->moved = (uint32_t)action->len;
    request->block.fua = !read && action->fua;
    return srb_submit(request, read ? ENLH_BLOCK_READ : ENLH_BLOCK_WRITE, action->offset,
                      action->len);
}

static bool
srb_is_zero(const uint8_t *data, uint32_t len)
{
    return !len || (!data[0] && !memcmp(data, data + 1, len - 1));
}

/* The guest's parameters, copied to lane->scratch; false: it gave less, or none. */
static bool
srb_parameters(const struct enlh_lane_request *request, const struct enlh_packet *packet,
               uint32_t len)
{
    const struct enl_srb *srb = &request->packet.u.srb;

    if (len > sizeof(request->lane->scratch) || len > srb->data_transfer_len ||
        (len && srb->data_in != ENL_STORAGE_DATA_WRITE))
        return false;
    srb_copy(request->lane, packet, request->lane->scratch, len, SRB_FROM_GUEST);
    return true;
}

static int
srb_zero(struct enlh_lane_request *request, const struct enlh_packet *packet,
         const struct enlh_scsi_action *action)
{
    if (!srb_parameters(request, packet, action->data_len))
        return srb_answer_malformed(request);
    if (!srb_is_zero(request->lane->scratch, action->data_len))
        return srb_answer_sense(request, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                                ENL_SCSI_ASC_INVALID_FIELD_IN_LIST);
    enlh_storage_count(&request->lane->port->counts.discards, 1);
    request->moved = action->data_len;
    return srb_submit(request, ENLH_BLOCK_ZERO, action->offset, action->len);
}

static int
srb_unmap(struct enlh_lane_request *request, const struct enlh_packet *packet,
          struct enlh_scsi_action *action)
{
    struct enlh_scsi_extent *extents = request->u.extents;
    uint32_t len = action->data_len, count;

    if (!srb_parameters(request, packet, len))
        return srb_answer_malformed(request);
    count = enlh_scsi_unmap_list(&request->slot->disk->unit, request->lane->scratch, len,
                                 action, extents);
    if (action->key)
        return srb_answer_sense(request, action->key, action->asc);
    enlh_storage_count(&request->lane->port->counts.discards, 1);
    if (!count)
        return srb_answer(request, ENL_SRB_STATUS_SUCCESS, ENL_SCSI_STATUS_GOOD, len);
    request->phase = ENLH_PHASE_UNMAP;
    request->extent = 0;
    request->extent_count = (uint16_t)count;
    request->moved = len;
    return srb_submit(request, ENLH_BLOCK_DISCARD, extents[0].offset, extents[0].len);
}

static int
srb_act(struct enlh_lane_request *request, const struct enlh_packet *packet,
        struct enlh_scsi_action *action)
{
    struct enlh_port_counts *counts = &request->lane->port->counts;

    request->phase = ENLH_PHASE_BLOCK;
    request->moved = 0;
    request->block.fua = false;
    request->block.spans = NULL;
    request->block.span_count = 0;
    switch (action->verb) {
    case ENLH_SCSI_READ:
    case ENLH_SCSI_WRITE:
        return srb_move(request, packet, action);
    case ENLH_SCSI_FLUSH:
        enlh_storage_count(&counts->flushes, 1);
        return srb_submit(request, ENLH_BLOCK_FLUSH, 0, 0);
    case ENLH_SCSI_ZERO:
        return srb_zero(request, packet, action);
    case ENLH_SCSI_UNMAP:
        return srb_unmap(request, packet, action);
    case ENLH_SCSI_ANSWER:
        break;
    }
    enlh_storage_count(&counts->others, 1);
    if (action->key)
        return srb_answer_sense(request, action->key, action->asc);
    return srb_respond(request, packet, action->response_len);
}

/* ---- which unit ---- */

static struct enlh_lane_slot *
srb_slot(struct enlh_lane *lane, const struct enl_srb *srb)
{
    if (srb->path || srb->target || srb->lun >= ENLH_SCSI_LUNS)
        return NULL;
    return atomic_load_explicit(&lane->by_lun[srb->lun], memory_order_acquire);
}

/* A target that is not there lists no units, so that a scan of it ends at once. */
static uint64_t
srb_lun_mask(struct enlh_lane *lane, const struct enl_srb *srb)
{
    uint64_t mask = 0;

    for (uint32_t lun = 0; lun < ENLH_SCSI_LUNS && !srb->path && !srb->target; lun++) {
        if (atomic_load_explicit(&lane->by_lun[lun], memory_order_relaxed))
            mask |= UINT64_C(1) << lun;
    }
    return mask;
}

/*
 * REPORT LUNS is answered for a whole target; the rest of this needs a unit. The SRB status
 * alone says that there is none. Seen: for Linux 6.1.176 a CHECK CONDITION without sense is
 * no error, so its sd sends a write to a disk that has left again, without end; FreeBSD's
 * storvsc looks at the SRB status only where the SCSI status is good.
 */
static int
srb_without_unit(struct enlh_lane_request *request, const struct enlh_packet *packet)
{
    struct enlh_lane *lane = request->lane;
    const struct enl_srb *srb = &request->packet.u.srb;
    struct enlh_scsi_action action;

    if (srb->cdb_or_sense[0] == ENL_SCSI_REPORT_LUNS) {
        enlh_scsi_report_luns(srb_lun_mask(lane, srb), srb->cdb_or_sense, srb->cdb_len,
                              &action, lane->response);
        return srb_act(request, packet, &action);
    }
    if (enlh_scsi_no_unit(srb->cdb_or_sense, &action, lane->response))
        return srb_act(request, packet, &action);
    enlh_storage_count(&lane->port->counts.others, 1);
    return srb_answer(request, ENL_SRB_STATUS_INVALID_LUN, ENL_SCSI_STATUS_GOOD, 0);
}

/* These tell what there is, and so nothing that has changed. [SAM-5 5.14] */
static bool
srb_is_attentive(uint8_t opcode)
{
    return opcode != ENL_SCSI_INQUIRY && opcode != ENL_SCSI_REPORT_LUNS &&
           opcode != ENL_SCSI_REQUEST_SENSE;
}

/* Returns what the command has to hear of before it is done, or 0. */
static uint16_t
srb_attention(struct enlh_storage_disk *disk, uint8_t opcode)
{
    unsigned all = atomic_load_explicit(&disk->attention, memory_order_relaxed);
    unsigned one =
        all & ENLH_ATTENTION_CAPACITY ? ENLH_ATTENTION_CAPACITY : ENLH_ATTENTION_LUNS;

    if (!all || !srb_is_attentive(opcode) ||
        !(atomic_fetch_and(&disk->attention, ~one) & one))
        return 0;
    return one == ENLH_ATTENTION_CAPACITY ? ENL_SCSI_ASC_CAPACITY_CHANGED
                                          : ENL_SCSI_ASC_LUNS_CHANGED;
}

int
enlh_srb_execute(struct enlh_lane_request *request, const struct enlh_packet *packet)
{
    struct enlh_lane *lane = request->lane;
    const struct enl_srb *srb = &request->packet.u.srb;
    struct enlh_scsi_action action;
    uint16_t attention;

    if (request->packet_len < ENL_STORAGE_PACKET_LEN_WIN7 ||
        srb->cdb_len > ENL_SRB_CDB_LEN || srb->data_in > ENL_STORAGE_DATA_NONE ||
        srb->data_transfer_len > packet->span_len ||
        packet->span_count > lane->storage->max_spans)
        return srb_answer_malformed(request);

    request->slot = srb_slot(lane, srb);
    if (!request->slot || srb->cdb_or_sense[0] == ENL_SCSI_REPORT_LUNS)
        return srb_without_unit(request, packet);
    attention = srb_attention(request->slot->disk, srb->cdb_or_sense[0]);
    if (attention)
        return srb_answer_sense(request, ENL_SCSI_KEY_UNIT_ATTENTION, attention);
    enlh_scsi_decode(&request->slot->disk->unit, srb->cdb_or_sense, srb->cdb_len, &action,
                     lane->response);
    return srb_act(request, packet, &action);
}

/* ---- the backend's answer ---- */

/* The host's trouble: sense for the guest, a line for people now and then. */
static void
srb_set_error(struct enlh_lane_request *request)
{
    struct enlh_lane *lane = request->lane;
    uint64_t errors = lane->port->counts.errors + 1;

    enlh_storage_count(&lane->port->counts.errors, 1);
    if (!(errors & (errors - 1)))
        enlh_log(lane->storage->partition, ENLH_LOG_ERROR,
                 "%s: lun %u: error %d, %llu so far", lane->storage->name,
                 request->slot->disk->lun, -request->result, (unsigned long long)errors);
    switch (request->result) {
    case -ENL_E_NOSPC:
        srb_set_sense(request, ENL_SCSI_KEY_DATA_PROTECT, ENL_SCSI_ASC_SPACE_ALLOCATION);
        break;
    case -ENL_E_ROFS:
        srb_set_sense(request, ENL_SCSI_KEY_DATA_PROTECT, ENL_SCSI_ASC_WRITE_PROTECTED);
        break;
    case -ENL_E_CANCELED:
        srb_set(request, ENL_SRB_STATUS_ABORTED, ENL_SCSI_STATUS_TASK_ABORTED, 0);
        break;
    case -ENL_E_IO:
        srb_set_sense(request, ENL_SCSI_KEY_MEDIUM_ERROR,
                      request->block.op == ENLH_BLOCK_READ ? ENL_SCSI_ASC_READ_ERROR
                                                           : ENL_SCSI_ASC_WRITE_ERROR);
        break;
    default:
        srb_set_sense(request, ENL_SCSI_KEY_HARDWARE_ERROR,
                      ENL_SCSI_ASC_INTERNAL_FAILURE);
        break;
    }
}

/* true: the request is with the backend again, for its next extent. */
static bool
srb_next_extent(struct enlh_lane_request *request)
{
    const struct enlh_scsi_extent *extent;

    if (request->phase != ENLH_PHASE_UNMAP || ++request->extent == request->extent_count)
        return false;
    extent = &request->u.extents[request->extent];
    request->block.offset = extent->offset;
    request->block.len = extent->len;
    request->result = enlh_lane_submit(request);
    return request->result == 0;
}

bool
enlh_srb_finish(struct enlh_lane_request *request)
{
    struct enlh_port_counts *counts = &request->lane->port->counts;

    if (request->result == 0 && srb_next_extent(request))
        return false;
    if (request->result < 0) {
        srb_set_error(request);
        return true;
    }
    if (request->block.op == ENLH_BLOCK_READ)
        enlh_storage_count(&counts->read_bytes, request->moved);
    else if (request->block.op == ENLH_BLOCK_WRITE)
        enlh_storage_count(&counts->write_bytes, request->moved);
    srb_set(request, ENL_SRB_STATUS_SUCCESS, ENL_SCSI_STATUS_GOOD, request->moved);
    return true;
}
