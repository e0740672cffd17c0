/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_storage.c - the storage driver's start and requests, and hosts that lie
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enlight/guest/storage.h"
#include "guest_bus_rig.h"

#define SLOTS 4u

static struct enlg_storage storage;
static uint16_t sub_channels; /* to ask for */
static struct enlg_request_slot slots[SLOTS];
static uint64_t pfns[9];
static char events[16];
static struct enlg_storage_io io;
static uint32_t done;
static struct enl_storage_packet request;
static struct enl_ring_packet taken;

static void
on_event(void *ctx, struct enlg_storage *s, enum enlg_storage_event event)
{
    assert_ptr_equal(ctx, events);
    assert_ptr_equal(s, &storage);
    events[strlen(events)] = "Rrls"[event];
}

static void
on_done(void *ctx, struct enlg_storage_io *i)
{
    assert_ptr_equal(ctx, &done);
    assert_ptr_equal(i, &io);
    done++;
}

static void
start(void)
{
    struct enlg_storage_config config = {
        .size = sizeof(config),
        .ring = bus_ring(),
        .send_len = BUS_SEND_LEN,
        .recv_len = BUS_RECV_LEN,
        .slots = slots,
        .slot_count = SLOTS,
        .pfns = pfns,
        .pfn_count = 9,
        .event = on_event,
        .ctx = events,
        .sub_channels = sub_channels,
    };

    memset(events, 0, sizeof(events));
    memset(&io, 0, sizeof(io));
    io.done = on_done;
    io.ctx = &done;
    done = 0;
    assert_int_equal(enlg_storage_start(&storage, bus.channel, &config), 0);
    assert_int_equal(enlg_storage_poll(&storage), 0);
    bus_say_open(BUS_RELID, bus_ring());
}

/* The guest's next request is in request. */
static void
take(uint32_t operation)
{
    assert_int_equal(enl_ring_get(&bus.from_guest, &taken), 1);
    assert_int_equal(taken.payload_len, 64);
    assert_int_equal(taken.flags, ENL_PACKET_FLAG_COMPLETION);
    assert_int_equal(enl_ring_copy(&bus.from_guest, &taken, taken.desc_len, &request, 64),
                     0);
    (void)enl_ring_release(&bus.from_guest);
    assert_int_equal(request.operation, operation);
    assert_int_equal(request.flags, ENL_STORAGE_FLAG_COMPLETION);
}

static int
say(uint16_t type, uint64_t id, const struct enl_storage_packet *answer, uint32_t len)
{
    struct enl_ring_piece piece = {answer, len};

    assert_int_equal(enl_ring_put(&bus.to_guest, type, 0, id, &piece, len ? 1 : 0, 0), 0);
    (void)enl_ring_publish(&bus.to_guest);
    return enlg_storage_poll(&storage);
}

/* Answer the request that was taken. */
static int
complete(uint32_t status)
{
    request.operation = ENL_STORAGE_COMPLETE_IO;
    request.status = status;
    return say(ENL_PACKET_COMPLETION, taken.transaction_id, &request, 64);
}

static void
become_ready(void)
{
    start();
    assert_int_equal(enlg_storage_poll(&storage), 0);
    take(ENL_STORAGE_BEGIN_INIT);
    assert_int_equal(complete(0), 1);
    take(ENL_STORAGE_QUERY_VERSION);
    assert_int_equal(complete(0), 1);
    take(ENL_STORAGE_QUERY_PROPERTIES);
    request.u.properties.max_transfer_len = 1 << 20;
    assert_int_equal(complete(0), 1);
    assert_false(enlg_storage_is_ready(&storage));
    take(ENL_STORAGE_END_INIT);
    assert_int_equal(complete(0), 1);
    assert_true(enlg_storage_is_ready(&storage));
    assert_string_equal(events, "R");
}

/* ---- start ---- */

static void
start_asks_in_order(void **state)
{
    (void)state;
    become_ready();
    assert_int_equal(enlg_storage_version(&storage), ENL_STORAGE_VERSION_WIN10);
    assert_int_equal(enlg_storage_max_transfer(&storage), 8 * 4096); /* what pfns hold */
}

static void
start_steps_down_to_a_common_version(void **state)
{
    (void)state;
    start();
    assert_int_equal(enlg_storage_poll(&storage), 0);
    take(ENL_STORAGE_BEGIN_INIT);
    assert_int_equal(complete(0), 1);
    take(ENL_STORAGE_QUERY_VERSION);
    assert_int_equal(request.u.version.version, 0x0602);
    assert_int_equal(complete(ENL_STORAGE_STATUS_REVISION_MISMATCH), 1);
    take(ENL_STORAGE_QUERY_VERSION);
    assert_int_equal(request.u.version.version, 0x0600);
    assert_int_equal(complete(ENL_STORAGE_STATUS_REVISION_MISMATCH), 1);
    take(ENL_STORAGE_QUERY_VERSION);
    assert_int_equal(request.u.version.version, 0x0501);
    assert_int_equal(complete(ENL_STORAGE_STATUS_REVISION_MISMATCH), -ENL_E_NOTSUP);
    assert_int_equal(enlg_storage_poll(&storage), -ENL_E_NOTSUP);
    assert_string_equal(events, "");
}

static void
start_that_the_host_refuses_fails(void **state)
{
    (void)state;
    start();
    assert_int_equal(enlg_storage_poll(&storage), 0);
    take(ENL_STORAGE_BEGIN_INIT);
    assert_int_equal(complete(ENL_STORAGE_STATUS_UNSUCCESSFUL), -ENL_E_IO);
    assert_int_equal(enlg_storage_submit(&storage, &io), -ENL_E_INVAL);
}

/* ---- requests ---- */

static void
read_is_one_buffer_of_pages(void **state)
{
    uint8_t *data = (uint8_t *)rig_page(30) + 512;

    (void)state;
    become_ready();
    enlg_storage_read(&io, 0x123456789A, 16, data, 8192 - 512);
    io.lun = 3;
    assert_int_equal(enlg_storage_submit(&storage, &io), 0);
    assert_int_equal(enl_ring_get(&bus.from_guest, &taken), 0); /* until the kick */
    assert_int_equal(enlg_storage_kick(&storage), 0);
    take(ENL_STORAGE_EXECUTE_SRB);
    assert_int_equal(taken.type, ENL_PACKET_GPA_DIRECT);
    assert_int_equal(taken.desc_len, 24 + 8 + 2 * 8);
    assert_int_equal(request.u.srb.length, 52);
    assert_int_equal(request.u.srb.lun, 3);
    assert_int_equal(request.u.srb.data_in, ENL_STORAGE_DATA_READ);
    assert_int_equal(request.u.srb.data_transfer_len, 8192 - 512);
    assert_true(request.u.srb.srb_flags & ENL_SRB_FLAG_DATA_IN);
    assert_memory_equal(request.u.srb.cdb_or_sense,
                        "\x88\0\0\0\0\x12\x34\x56\x78\x9A\0\0\0\x10\0\0", 16);
    request.u.srb.srb_status = ENL_SRB_STATUS_SUCCESS;
    assert_int_equal(complete(0), 1);
    assert_int_equal(done, 1);
    assert_int_equal(io.result, 0);
    assert_int_equal(io.moved, 8192 - 512);
}

static void
flush_and_write_build_their_commands(void **state)
{
    (void)state;
    become_ready();
    enlg_storage_write(&io, 5, 1, rig_page(30), 512);
    assert_int_equal(enlg_storage_submit(&storage, &io), 0);
    assert_int_equal(enlg_storage_kick(&storage), 0);
    take(ENL_STORAGE_EXECUTE_SRB);
    assert_int_equal(request.u.srb.cdb_or_sense[0], ENL_SCSI_WRITE_16);
    assert_int_equal(request.u.srb.data_in, ENL_STORAGE_DATA_WRITE);
    request.u.srb.srb_status = ENL_SRB_STATUS_SUCCESS;
    assert_int_equal(complete(0), 1);
    enlg_storage_flush(&io);
    assert_int_equal(enlg_storage_submit(&storage, &io), 0);
    assert_int_equal(enlg_storage_poll(&storage), 0); /* kicks too */
    take(ENL_STORAGE_EXECUTE_SRB);
    assert_int_equal(taken.type, ENL_PACKET_INBAND);
    assert_int_equal(request.u.srb.cdb_or_sense[0], ENL_SCSI_SYNCHRONIZE_CACHE_10);
    assert_int_equal(request.u.srb.cdb_len, 10);
    assert_int_equal(request.u.srb.data_in, ENL_STORAGE_DATA_NONE);
}

static void
request_that_cannot_be_is_refused(void **state)
{
    (void)state;
    become_ready();
    enlg_storage_read(&io, 0, 1, rig_page(30), 8 * 4096 + 512);
    assert_int_equal(enlg_storage_submit(&storage, &io), -ENL_E_RANGE);
    enlg_storage_read(&io, 0, 1, NULL, 512);
    assert_int_equal(enlg_storage_submit(&storage, &io), -ENL_E_INVAL);
    enlg_storage_read(&io, 0, 1, rig_page(30), 0);
    assert_int_equal(enlg_storage_submit(&storage, &io), -ENL_E_INVAL);
    enlg_storage_flush(&io);
    io.cdb_len = 17;
    assert_int_equal(enlg_storage_submit(&storage, &io), -ENL_E_INVAL);
}

static void
requests_in_flight_are_bounded(void **state)
{
    (void)state;
    become_ready();
    enlg_storage_flush(&io);
    for (uint32_t i = 0; i < SLOTS; i++)
        assert_int_equal(enlg_storage_submit(&storage, &io), 0);
    assert_int_equal(enlg_storage_submit(&storage, &io), -ENL_E_AGAIN);
    assert_int_equal(enlg_storage_kick(&storage), 0);
    take(ENL_STORAGE_EXECUTE_SRB);
    request.u.srb.srb_status = ENL_SRB_STATUS_SUCCESS;
    assert_int_equal(complete(0), 1);
    assert_int_equal(enlg_storage_submit(&storage, &io), 0);
}

static void
fails_with(uint8_t srb, uint8_t scsi, uint8_t key, uint8_t asc, int want)
{
    enlg_storage_read(&io, 0, 1, rig_page(30), 512);
    assert_int_equal(enlg_storage_submit(&storage, &io), 0);
    assert_int_equal(enlg_storage_kick(&storage), 0);
    take(ENL_STORAGE_EXECUTE_SRB);
    memset(request.u.srb.cdb_or_sense, 0, 20);
    request.u.srb.srb_status = srb;
    request.u.srb.scsi_status = scsi;
    request.u.srb.sense_len = 18;
    request.u.srb.cdb_or_sense[0] = ENL_SCSI_SENSE_FIXED;
    request.u.srb.cdb_or_sense[2] = key;
    request.u.srb.cdb_or_sense[12] = asc;
    assert_int_equal(complete(0), 1);
    assert_int_equal(io.result, want);
    if (want)
        assert_int_equal(io.moved, 0);
}

static void
failures_are_told_apart(void **state)
{
    const uint8_t sense = ENL_SRB_STATUS_ERROR | ENL_SRB_STATUS_AUTOSENSE_VALID;

    (void)state;
    become_ready();
    fails_with(ENL_SRB_STATUS_INVALID_LUN, 0, 0, 0, -ENL_E_NODEV);
    fails_with(ENL_SRB_STATUS_ERROR, 2, 7, 0x27, -ENL_E_IO); /* sense not valid */
    fails_with(sense, 2, ENL_SCSI_KEY_DATA_PROTECT, 0x27, -ENL_E_ROFS);
    fails_with(sense, 2, ENL_SCSI_KEY_ILLEGAL_REQUEST, 0x21, -ENL_E_RANGE);
    fails_with(sense, 2, ENL_SCSI_KEY_UNIT_ATTENTION, 0x29, -ENL_E_BUSY);
    fails_with(sense, 2, ENL_SCSI_KEY_MEDIUM_ERROR, 0x11, -ENL_E_IO);
    fails_with(ENL_SRB_STATUS_SUCCESS, 2, 0, 0, -ENL_E_IO);
    fails_with(ENL_SRB_STATUS_PENDING, 0, 0, 0, -ENL_E_IO);
}

/* ---- lies ---- */

static void
put_one(void)
{
    become_ready();
    enlg_storage_read(&io, 0, 1, rig_page(30), 512);
    assert_int_equal(enlg_storage_submit(&storage, &io), 0);
    assert_int_equal(enlg_storage_kick(&storage), 0);
    take(ENL_STORAGE_EXECUTE_SRB);
    request.operation = ENL_STORAGE_COMPLETE_IO;
    request.u.srb.srb_status = ENL_SRB_STATUS_SUCCESS;
}

static void
answer_to_no_request_breaks_the_protocol(void **state)
{
    static const uint64_t wrong[] = {0, 1, UINT64_MAX};

    (void)state;
    for (int i = 0; i < 3; i++) {
        bus_setup_offered(NULL);
        put_one();
        assert_int_equal(say(ENL_PACKET_COMPLETION, wrong[i], &request, 64),
                         -ENL_E_PROTO);
        assert_int_equal(enlg_storage_poll(&storage), -ENL_E_PROTO);
        assert_int_equal(done, 0);
    }
    bus_setup_offered(NULL);
    put_one();
    assert_int_equal(complete(0), 1);
    assert_int_equal(complete(0), -ENL_E_PROTO); /* a second time */
    assert_int_equal(done, 1);
}

static void
answer_of_a_wrong_form_breaks_the_protocol(void **state)
{
    (void)state;
    put_one();
    assert_int_equal(say(ENL_PACKET_COMPLETION, taken.transaction_id, &request, 48),
                     -ENL_E_PROTO);
    assert_int_equal(done, 1);
    assert_int_equal(io.result, -ENL_E_IO);
    bus_setup_offered(NULL);
    put_one();
    request.operation = ENL_STORAGE_EXECUTE_SRB;
    assert_int_equal(say(ENL_PACKET_COMPLETION, taken.transaction_id, &request, 64),
                     -ENL_E_PROTO);
    assert_int_equal(done, 1);
    bus_setup_offered(NULL);
    put_one();
    assert_int_equal(say(ENL_PACKET_GPA_DIRECT, taken.transaction_id, &request, 64),
                     -ENL_E_PROTO);
    assert_int_equal(done, 0);
}

static void
lengths_are_cut_to_what_was_asked(void **state)
{
    (void)state;
    put_one();
    request.u.srb.data_transfer_len = 0xFFFFFFFF;
    request.u.srb.sense_len = 0xFF;
    request.u.srb.srb_status |= ENL_SRB_STATUS_AUTOSENSE_VALID;
    assert_int_equal(complete(0), 1);
    assert_int_equal(io.moved, 512);
    assert_int_equal(io.sense_len, 20);
}

static void
host_may_ask_for_a_new_scan(void **state)
{
    struct enl_storage_packet p = {.operation = ENL_STORAGE_ENUMERATE_BUS};

    (void)state;
    become_ready();
    assert_int_equal(say(ENL_PACKET_INBAND, 0, &p, 8), 1);
    assert_string_equal(events, "Rr");
    p.operation = 99;
    assert_int_equal(say(ENL_PACKET_INBAND, 0, &p, 8), 1);
    assert_string_equal(events, "Rr");
    assert_int_equal(say(ENL_PACKET_INBAND, 0, &p, 0), -ENL_E_PROTO);
}

/* ---- the end ---- */

static void
stop_cancels_only_when_the_host_has_let_go(void **state)
{
    (void)state;
    put_one();
    bus_say_rescind(BUS_RELID);
    assert_string_equal(events, "Rl");
    assert_int_equal(enlg_storage_poll(&storage), -ENL_E_CONNRESET);
    assert_int_equal(enlg_storage_submit(&storage, &io), -ENL_E_CONNRESET);
    assert_int_equal(enlg_storage_stop(&storage), 0);
    assert_int_equal(done, 0);
    bus_say_torndown(bus.ring_gpadl);
    assert_int_equal(done, 1);
    assert_int_equal(io.result, -ENL_E_CANCELED);
    assert_string_equal(events, "Rls");
}

static void
abandoned_requests_end_as_such(void **state)
{
    (void)state;
    put_one();
    enlg_vmbus_abandon(&bus.bus);
    assert_int_equal(done, 1);
    assert_int_equal(io.result, -ENL_E_TIMEDOUT);
    assert_string_equal(events, "Rs");
    assert_int_equal(enlg_storage_stop(&storage), -ENL_E_INVAL);
}

/* ---- more channels ---- */

#define SUB_RELID (BUS_RELID + 1)

static struct enlg_storage_queue queue;
static struct enlg_request_slot queue_slots[SLOTS];
static uint64_t queue_pfns[3];
static char queue_events[16];
static struct enlg_channel *sub;
/* The host's ends of the first channel and of the queue's. */
static struct bus_rig first_end, queue_end;

static void
use_end(const struct bus_rig *end)
{
    bus.from_guest = end->from_guest;
    bus.to_guest = end->to_guest;
}

static void
on_queue_event(void *ctx, struct enlg_storage *s, enum enlg_storage_event event)
{
    assert_ptr_equal(ctx, queue_events);
    assert_ptr_equal(s, &storage);
    queue_events[strlen(queue_events)] = "Rrls"[event];
}

/* Answer the start's questions up to the one for sub-channels. */
static void
start_with(uint16_t wanted, uint16_t host_max, uint32_t flags)
{
    sub_channels = wanted;
    start();
    assert_int_equal(enlg_storage_poll(&storage), 0);
    take(ENL_STORAGE_BEGIN_INIT);
    assert_int_equal(complete(0), 1);
    take(ENL_STORAGE_QUERY_VERSION);
    assert_int_equal(complete(0), 1);
    take(ENL_STORAGE_QUERY_PROPERTIES);
    request.u.properties = (struct enl_storage_properties){
        .max_transfer_len = 1 << 20, .max_sub_channels = host_max, .flags = flags};
    assert_int_equal(complete(0), 1);
    take(ENL_STORAGE_END_INIT);
    assert_int_equal(complete(0), 1);
    sub_channels = 0;
}

static int
queue_start(struct enlg_channel *channel)
{
    struct enlg_storage_config config = {
        .size = sizeof(config),
        .ring = rig_page(20),
        .send_len = BUS_SEND_LEN,
        .recv_len = BUS_RECV_LEN,
        .slots = queue_slots,
        .slot_count = SLOTS,
        .pfns = queue_pfns,
        .pfn_count = 3,
        .event = on_queue_event,
        .ctx = queue_events,
    };

    memset(queue_events, 0, sizeof(queue_events));
    return enlg_storage_queue_start(&queue, &storage, channel, &config);
}

/* Two channels, both open. */
static void
two_channels(void)
{
    start_with(2, 5, ENL_STORAGE_PROPERTY_MULTI_CHANNEL);
    take(ENL_STORAGE_CREATE_SUB_CHANNELS);
    assert_int_equal(request.u.sub_channel_count, 2);
    assert_int_equal(complete(0), 1);
    assert_string_equal(events, "R");
    assert_int_equal(enlg_storage_sub_channels(&storage), 2);
    first_end = bus;
    bus_say_offer_of(
        &(struct bus_offer){.relid = SUB_RELID, .instance = 1, .subchannel = 1});
    sub = bus.channel;
    bus.next = rig.call_count; /* signals so far */
    assert_int_equal(queue_start(sub), 0);
    enlg_storage_read(&io, 0, 1, rig_page(30), 512);
    assert_int_equal(enlg_storage_queue_submit(&queue, &io), -ENL_E_INVAL);
    assert_int_equal(enlg_storage_queue_poll(&queue), 0);
    bus_say_open(SUB_RELID, rig_page(20));
    queue_end = bus;
}

static void
sub_channels_are_asked_for_last(void **state)
{
    (void)state;
    two_channels();
    /* No more than the host has, none where it has none, and a refusal is no failure. */
    bus_setup_offered(NULL);
    start_with(9, 3, ENL_STORAGE_PROPERTY_MULTI_CHANNEL);
    take(ENL_STORAGE_CREATE_SUB_CHANNELS);
    assert_int_equal(request.u.sub_channel_count, 3);
    assert_int_equal(complete(ENL_STORAGE_STATUS_INVALID_PARAMETER), 1);
    assert_true(enlg_storage_is_ready(&storage));
    assert_int_equal(enlg_storage_sub_channels(&storage), 0);
    bus_setup_offered(NULL);
    start_with(2, 5, 0);
    assert_true(enlg_storage_is_ready(&storage));
    assert_string_equal(events, "R");
}

static void
queue_has_requests_of_its_own(void **state)
{
    uint64_t id;

    (void)state;
    two_channels();
    assert_int_equal(enlg_storage_queue_submit(&queue, &io), 0);
    assert_int_equal(enlg_storage_queue_kick(&queue), 0);
    use_end(&queue_end);
    take(ENL_STORAGE_EXECUTE_SRB);
    id = taken.transaction_id;
    request.operation = ENL_STORAGE_COMPLETE_IO;
    request.u.srb.srb_status = ENL_SRB_STATUS_SUCCESS;
    assert_int_equal(say(ENL_PACKET_COMPLETION, id, &request, 64),
                     0); /* not the first's */
    assert_int_equal(done, 0);
    assert_int_equal(enlg_storage_queue_poll(&queue), 1);
    assert_int_equal(done, 1);
    /* What the queue's pages do not hold goes through the first only. */
    enlg_storage_read(&io, 0, 32, rig_page(30), 4 * 4096);
    assert_int_equal(enlg_storage_queue_submit(&queue, &io), -ENL_E_RANGE);
    assert_int_equal(enlg_storage_submit(&storage, &io), 0);
}

static void
answer_on_the_wrong_channel_breaks_that_one_only(void **state)
{
    (void)state;
    two_channels();
    assert_int_equal(enlg_storage_submit(&storage, &io), 0);
    assert_int_equal(enlg_storage_kick(&storage), 0);
    use_end(&first_end);
    take(ENL_STORAGE_EXECUTE_SRB);
    first_end = bus;
    use_end(&queue_end);
    request.operation = ENL_STORAGE_COMPLETE_IO;
    request.u.srb.srb_status = ENL_SRB_STATUS_SUCCESS;
    assert_int_equal(say(ENL_PACKET_COMPLETION, taken.transaction_id, &request, 64), 0);
    assert_int_equal(enlg_storage_queue_poll(&queue), -ENL_E_PROTO);
    assert_int_equal(enlg_storage_queue_poll(&queue), -ENL_E_PROTO);
    assert_int_equal(done, 0);
    use_end(&first_end);
    assert_int_equal(complete(0), 1);
    assert_int_equal(done, 1);
    assert_true(enlg_storage_is_ready(&storage));
}

static void
queue_is_only_for_what_was_asked(void **state)
{
    struct enlg_channel *first = bus.channel;

    (void)state;
    start_with(1, 5, ENL_STORAGE_PROPERTY_MULTI_CHANNEL);
    take(ENL_STORAGE_CREATE_SUB_CHANNELS);
    assert_int_equal(complete(0), 1);
    assert_int_equal(queue_start(first), -ENL_E_INVAL);
    bus_say_offer_of(
        &(struct bus_offer){.relid = SUB_RELID, .instance = 2, .subchannel = 1});
    assert_int_equal(queue_start(bus.channel), -ENL_E_INVAL); /* another device's */
    bus_say_offer_of(
        &(struct bus_offer){.relid = SUB_RELID + 1, .instance = 1, .subchannel = 1});
    assert_int_equal(queue_start(bus.channel), 0);
    bus_say_offer_of(
        &(struct bus_offer){.relid = SUB_RELID + 2, .instance = 1, .subchannel = 2});
    {
        static struct enlg_storage_queue more;
        struct enlg_storage_config config = {
            .size = sizeof(config),
            .ring = rig_page(30),
            .send_len = BUS_SEND_LEN,
            .recv_len = BUS_RECV_LEN,
            .slots = queue_slots,
            .slot_count = SLOTS,
            .pfns = queue_pfns,
            .pfn_count = 3,
        };

        assert_int_equal(enlg_storage_queue_start(&more, &storage, bus.channel, &config),
                         -ENL_E_NOSPC);
    }
}

static void
queue_may_go_while_the_controller_stays(void **state)
{
    uint32_t queue_gpadl;

    (void)state;
    two_channels();
    queue_gpadl = bus.ring_gpadl;
    assert_int_equal(enlg_storage_queue_submit(&queue, &io), 0);
    bus_say_rescind(SUB_RELID);
    assert_string_equal(queue_events, "l");
    assert_int_equal(enlg_storage_queue_stop(&queue), 0);
    bus_say_torndown(queue_gpadl);
    assert_int_equal(done, 1);
    assert_int_equal(io.result, -ENL_E_CANCELED);
    assert_string_equal(queue_events, "ls");
    assert_string_equal(events, "R");
    assert_int_equal(enlg_storage_queue_stop(&queue), -ENL_E_INVAL);
    assert_int_equal(enlg_storage_submit(&storage, &io), 0);
}

static void
stop_is_over_when_every_channel_is_closed(void **state)
{
    (void)state;
    two_channels();
    assert_int_equal(enlg_storage_queue_submit(&queue, &io), 0);
    assert_int_equal(enlg_storage_stop(&storage), 0);
    bus_say_torndown(first_end.ring_gpadl);
    assert_string_equal(events, "R"); /* the queue still points to it */
    assert_int_equal(queue_start(sub), -ENL_E_CONNRESET);
    assert_int_equal(done, 0);
    bus_say_torndown(queue_end.ring_gpadl);
    assert_int_equal(done, 1);
    assert_string_equal(queue_events, "s");
    assert_string_equal(events, "Rs");
    assert_int_equal(enlg_storage_stop(&storage), -ENL_E_INVAL);
}

static void
unit_attention_asks_for_a_new_scan(void **state)
{
    static const struct {
        uint8_t key, asc, ascq;
        bool rescan;
    } cases[] = {
        {ENL_SCSI_KEY_UNIT_ATTENTION, 0x29, 0x00, false}, /* reset */
        {ENL_SCSI_KEY_UNIT_ATTENTION, 0x2A, 0x09, true},  /* size */
        {ENL_SCSI_KEY_UNIT_ATTENTION, 0x28, 0x00, true},  /* medium */
        {ENL_SCSI_KEY_UNIT_ATTENTION, 0x3F, 0x0E, true},  /* LUNs */
        {ENL_SCSI_KEY_NO_SENSE, 0x3F, 0x0E, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bus_setup_offered(NULL);
        put_one();
        memset(request.u.srb.cdb_or_sense, 0, 20);
        request.u.srb.srb_status = ENL_SRB_STATUS_ERROR | ENL_SRB_STATUS_AUTOSENSE_VALID;
        request.u.srb.scsi_status = ENL_SCSI_STATUS_CHECK_CONDITION;
        request.u.srb.sense_len = 18;
        request.u.srb.cdb_or_sense[2] = cases[i].key;
        request.u.srb.cdb_or_sense[12] = cases[i].asc;
        request.u.srb.cdb_or_sense[13] = cases[i].ascq;
        assert_int_equal(complete(0), 1);
        assert_string_equal(events, cases[i].rescan ? "Rr" : "R");
        assert_int_equal(done, 1);
    }
}

#define CASE(f) cmocka_unit_test_setup(f, bus_setup_offered)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(start_asks_in_order),
        CASE(start_steps_down_to_a_common_version),
        CASE(start_that_the_host_refuses_fails),
        CASE(read_is_one_buffer_of_pages),
        CASE(flush_and_write_build_their_commands),
        CASE(request_that_cannot_be_is_refused),
        CASE(requests_in_flight_are_bounded),
        CASE(failures_are_told_apart),
        CASE(answer_to_no_request_breaks_the_protocol),
        CASE(answer_of_a_wrong_form_breaks_the_protocol),
        CASE(lengths_are_cut_to_what_was_asked),
        CASE(host_may_ask_for_a_new_scan),
        CASE(stop_cancels_only_when_the_host_has_let_go),
        CASE(abandoned_requests_end_as_such),
        CASE(sub_channels_are_asked_for_last),
        CASE(queue_has_requests_of_its_own),
        CASE(answer_on_the_wrong_channel_breaks_that_one_only),
        CASE(queue_is_only_for_what_was_asked),
        CASE(queue_may_go_while_the_controller_stays),
        CASE(stop_is_over_when_every_channel_is_closed),
        CASE(unit_attention_asks_for_a_new_scan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
