/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_polled.c - a boot loader's life: interrupts off, one stack, no allocator
 *
 * The SINT polls, channels ask for no interrupt, no callback for signals is given, and the
 * loader does nothing but go round in the two polls. The host is the test, which acts in
 * each turn on what the loader posted, and never sets an event flag.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enlight/abi/guids.h"
#include "enlight/abi/heartbeat.h"
#include "enlight/abi/ic.h"
#include "enlight/guest/ic.h"
#include "enlight/guest/storage.h"
#include "guest_bus_rig.h"

#define TURNS 200u

/* ---- the host: one act for each post, and for each packet ---- */

static struct end {
    uint32_t relid;
    uint8_t *ring;
    uint32_t send_len, recv_len;
    struct enl_ring_consumer from_guest;
    struct enl_ring_producer to_guest;
    bool open;
} ends[2];
static uint32_t posts;

static struct end *
end_of(uint32_t relid)
{
    return relid == ends[0].relid ? &ends[0] : &ends[1];
}

static void
end_open(struct end *end)
{
    struct enl_ring_view in = {
        .header = (struct enl_ring_header *)end->ring,
        .base = end->ring + ENL_PAGE_SIZE,
        .size = end->send_len - ENL_PAGE_SIZE,
    };
    struct enl_ring_view out = {
        .header = (struct enl_ring_header *)(end->ring + end->send_len),
        .base = end->ring + end->send_len + ENL_PAGE_SIZE,
        .size = end->recv_len - ENL_PAGE_SIZE,
    };

    assert_int_equal(enl_ring_consumer_init(&end->from_guest, &in, true), 0);
    assert_int_equal(enl_ring_producer_init(&end->to_guest, &out, true), 0);
    end->open = true;
}

static void
put(struct end *end, uint16_t type, uint64_t id, const void *data, uint32_t len)
{
    struct enl_ring_piece piece = {data, len};

    assert_int_equal(enl_ring_put(&end->to_guest, type, 0, id, &piece, 1, 0), 0);
    (void)enl_ring_publish(&end->to_guest);
}

static void
host_offer(uint32_t relid, struct enl_guid type)
{
    struct enl_vmbus_offer m = {.head.type = ENL_VMBUS_OFFER_CHANNEL,
                                .class_id = type,
                                .instance_id.b[0] = (uint8_t)relid,
                                .relid = relid,
                                .is_dedicated = 1};

    rig_deliver(&m, sizeof(m));
}

static void
host_answer(const void *payload)
{
    union {
        struct enl_vmbus_header head;
        struct enl_vmbus_version_response version;
        struct enl_vmbus_gpadl_created created;
        struct enl_vmbus_open_result opened;
        struct enl_vmbus_gpadl_torndown torndown;
    } m = {.head.type = 0};
    const struct enl_vmbus_gpadl_header *gpadl = payload;
    const struct enl_vmbus_open *open = payload;
    uint32_t type = gpadl->head.type;

    switch (type) {
    case ENL_VMBUS_INITIATE_CONTACT:
        m.version.head.type = ENL_VMBUS_VERSION_RESPONSE;
        m.version.supported = 1;
        break;
    case ENL_VMBUS_GPADL_HEADER:
        m.created.head.type = ENL_VMBUS_GPADL_CREATED;
        m.created.relid = gpadl->relid;
        m.created.gpadl = gpadl->gpadl;
        break;
    case ENL_VMBUS_OPEN_CHANNEL:
        assert_int_equal(open->target_vp, ENL_VMBUS_VP_NO_INTERRUPT);
        end_open(end_of(open->relid));
        m.opened.head.type = ENL_VMBUS_OPEN_RESULT;
        m.opened.relid = m.opened.open_id = open->relid;
        break;
    case ENL_VMBUS_UNLOAD:
        m.head.type = ENL_VMBUS_UNLOAD_RESPONSE;
        break;
    default:
        return;
    }
    rig_deliver(&m, sizeof(m));
}

static void
host_disk(struct end *end)
{
    struct enl_storage_packet packet;
    struct enl_ring_packet taken;

    if (!end->open || enl_ring_get(&end->from_guest, &taken) != 1)
        return;
    assert_int_equal(
        enl_ring_copy(&end->from_guest, &taken, taken.desc_len, &packet, sizeof(packet)),
        0);
    if (packet.operation == ENL_STORAGE_QUERY_PROPERTIES)
        packet.u.properties.max_transfer_len = 1 << 20;
    if (packet.operation == ENL_STORAGE_EXECUTE_SRB)
        packet.u.srb.srb_status = ENL_SRB_STATUS_SUCCESS;
    packet.operation = ENL_STORAGE_COMPLETE_IO;
    packet.status = 0;
    put(end, ENL_PACKET_COMPLETION, taken.transaction_id, &packet, sizeof(packet));
}

/* One act: the answer to a post, when the slot is free, and one to a packet. */
static void
host_turn(void)
{
    if (posts < rig.call_count && rig_slot(ENL_SINT_VMBUS)->type == ENL_MESSAGE_NONE) {
        if (rig.call[posts].control == ENL_CALL_POST_MESSAGE)
            host_answer(rig_posted(posts, NULL, NULL));
        posts++;
    }
    host_disk(&ends[0]);
}

/* ---- the boot loader ---- */

static struct loader {
    struct enlg_vmbus bus;
    struct enlg_channel channels[2];
    struct enlg_storage storage;
    struct enlg_request_slot slots[2];
    uint64_t pfns[4];
    struct enlg_ic ic;
    bool has_disk, has_heart, ended;
    uint32_t done;
} loader;

static void
ignore_event(void *ctx, struct enlg_storage *storage, enum enlg_storage_event event)
{
    (void)ctx;
    (void)storage;
    (void)event;
}

static void
on_done(void *ctx, struct enlg_storage_io *io)
{
    (void)ctx;
    assert_int_equal(io->result, 0);
    loader.done++;
}

static void
bind(struct enlg_channel *channel)
{
    const struct enl_guid scsi = ENL_GUID_SCSI;
    struct enlg_storage_config disk = {
        .size = sizeof(disk),
        .ring = ends[0].ring,
        .send_len = ends[0].send_len,
        .recv_len = ends[0].recv_len,
        .vp = ENL_VMBUS_VP_NO_INTERRUPT,
        .slots = loader.slots,
        .slot_count = 2,
        .pfns = loader.pfns,
        .pfn_count = 4,
        .event = ignore_event,
    };
    struct enlg_ic_config heart = {
        .size = sizeof(heart),
        .ring = ends[1].ring,
        .buffer = rig_page(40),
        .vp = ENL_VMBUS_VP_NO_INTERRUPT,
    };

    if (memcmp(&enlg_channel_info(channel)->type, &scsi, sizeof(scsi)) == 0) {
        assert_int_equal(enlg_storage_start(&loader.storage, channel, &disk), 0);
        loader.has_disk = true;
    } else {
        assert_int_equal(enlg_heartbeat_start(&loader.ic, channel, &heart), 0);
        loader.has_heart = true;
    }
}

static void
on_event(void *ctx, struct enlg_vmbus *b, enum enlg_vmbus_event event,
         struct enlg_channel *channel)
{
    (void)ctx;
    (void)b;
    if (event == ENLG_VMBUS_EVENT_OFFER)
        bind(channel);
    loader.ended |= event == ENLG_VMBUS_EVENT_UNLOADED;
}

/* Once round: all that the loader does. */
static void
turn(void)
{
    host_turn();
    (void)enlg_vmbus_poll(&loader.bus);
    if (loader.has_disk)
        assert_true(enlg_storage_poll(&loader.storage) >= 0);
    if (loader.has_heart)
        assert_true(enlg_ic_poll(&loader.ic) >= 0);
}

static void
turn_until(const bool *flag)
{
    for (uint32_t i = 0; i < TURNS && !*flag; i++)
        turn();
    assert_true(*flag);
}

static int
setup(void **state)
{
    struct enlg_synic_pages pages = {rig_page(60), rig_page(61)};
    struct enlg_vmbus_config config;

    rig_setup_calls(state);
    memset(&loader, 0, sizeof(loader));
    memset(ends, 0, sizeof(ends));
    ends[0] =
        (struct end){.relid = 1, .ring = rig_page(0), .send_len = 8192, .recv_len = 8192};
    ends[1] = (struct end){.relid = 2,
                           .ring = rig_page(10),
                           .send_len = ENLG_IC_RING_LEN,
                           .recv_len = ENLG_IC_RING_LEN};
    posts = 0;
    rig_forget();
    assert_int_equal(enlg_synic_enable(&rig_synic, &rig.partition, &pages), 0);
    assert_int_equal(
        enlg_synic_unmask(&rig_synic, ENL_SINT_VMBUS, 0xF3, ENLG_SINT_POLL, NULL), 0);
    enlg_vmbus_config_defaults(&config);
    config.synic = &rig_synic;
    config.channels = loader.channels;
    config.channel_count = 2;
    config.event = on_event;
    assert_int_equal(enlg_vmbus_init(&loader.bus, &rig.partition, &config), 0);
    assert_int_equal(enlg_vmbus_connect(&loader.bus), 0);
    return 0;
}

static void
connect(void)
{
    for (uint32_t i = 0;
         i < TURNS && enlg_vmbus_state(&loader.bus) != ENLG_VMBUS_CONNECTED; i++)
        turn();
    assert_int_equal(enlg_vmbus_state(&loader.bus), ENLG_VMBUS_CONNECTED);
}

static void
polled_disk_reads_without_one_interrupt(void **state)
{
    static struct enlg_storage_io io;
    bool ready = false;

    (void)state;
    assert_true((rig_reg(ENL_REG_SINT0 + ENL_SINT_VMBUS) & ENL_SINT_POLLING) != 0);
    connect();
    host_offer(1, (struct enl_guid)ENL_GUID_SCSI);
    for (uint32_t i = 0; i < TURNS && !ready; i++) {
        turn();
        ready = loader.has_disk && enlg_storage_is_ready(&loader.storage);
    }
    assert_true(ready);
    for (uint32_t n = 1; n <= 20; n++) {
        enlg_storage_read(&io, n, 8, rig_page(30), 4096);
        io.done = on_done;
        assert_int_equal(enlg_storage_submit(&loader.storage, &io), 0);
        for (uint32_t i = 0; i < TURNS && loader.done < n; i++)
            turn();
        assert_int_equal(loader.done, n);
    }
    assert_int_equal(enlg_vmbus_unload(&loader.bus), 0);
    loader.has_disk = false;
    turn_until(&loader.ended);
}

static void
beat(uint64_t sequence)
{
    struct {
        struct enl_ic_message head;
        uint8_t body[64];
    } m = {{.pipe = {ENL_PIPE_DATA, 0}}, {0}};
    uint32_t len;

    if (sequence == 0) { /* the negotiation */
        struct enl_ic_negotiate n = {.framework_count = 1, .message_count = 1};
        struct enl_ic_version v[2] = {ENL_IC_FRAMEWORK_3_0, ENL_HEARTBEAT_VERSION_3_0};

        memcpy(m.body, &n, sizeof(n));
        memcpy(m.body + sizeof(n), v, sizeof(v));
        m.head.ic.message_type = ENL_IC_NEGOTIATE;
        len = sizeof(n) + sizeof(v);
    } else {
        memcpy(m.body, &sequence, sizeof(sequence));
        m.head.ic.message_type = ENL_IC_HEARTBEAT;
        len = sizeof(m.body);
    }
    m.head.ic.size = (uint16_t)len;
    m.head.ic.flags = ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_REQUEST;
    put(&ends[1], ENL_PACKET_INBAND, 1, &m, (uint32_t)sizeof(m.head) + len);
}

static void
polled_heartbeat_is_answered_without_one_interrupt(void **state)
{
    struct enl_ring_packet taken;
    uint64_t sequence;

    (void)state;
    connect();
    host_offer(2, (struct enl_guid)ENL_GUID_HEARTBEAT);
    turn_until(&ends[1].open);
    beat(0);
    turn();
    for (uint64_t n = 1; n <= 20; n++) {
        beat(n * 10);
        turn();
    }
    assert_int_equal(enlg_ic_answered(&loader.ic), 20);
    for (uint32_t i = 0; i <= 20; i++)
        assert_int_equal(enl_ring_get(&ends[1].from_guest, &taken), 1);
    assert_int_equal(enl_ring_copy(&ends[1].from_guest, &taken,
                                   taken.desc_len + sizeof(struct enl_ic_message),
                                   &sequence, sizeof(sequence)),
                     0);
    assert_int_equal(sequence, 201);
}

static void
polled_host_that_never_answers_is_left(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < TURNS; i++)
        (void)enlg_vmbus_poll(&loader.bus);
    assert_int_equal(enlg_vmbus_state(&loader.bus), ENLG_VMBUS_CONTACTING);
    enlg_vmbus_abandon(&loader.bus);
    assert_int_equal(enlg_vmbus_state(&loader.bus), ENLG_VMBUS_FAILED);
    assert_int_equal(enlg_vmbus_connect(&loader.bus), 0);
    connect();
}

#define CASE(f) cmocka_unit_test_setup(f, setup)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(polled_disk_reads_without_one_interrupt),
        CASE(polled_heartbeat_is_answered_without_one_interrupt),
        CASE(polled_host_that_never_answers_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
