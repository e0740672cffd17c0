/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/vmbus.c - messages and events of the real host: slots, queue, EOM, flags, VPs
 *
 * Messages are posted and taken here by hand, so that a test can leave a slot full; the
 * channel is opened by the guest library. [TLFS 11]
 */
#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/abi/vmbus.h"
#include "enlight/guest/hypercall.h"
#include "enlight/guest/ic.h"
#include "test/guest/synic_rig.h"

#define SINT         ENL_SINT_VMBUS
#define VMBUS_VECTOR VECTOR_A
#define OFFERS_MAX   64u
#define POST_TRIES   200u
#define SIGNALS      2000u

static struct enl_hv_post_message post __attribute__((aligned(512)));

/* ---- by hand ---- */

static uint64_t
post_now(uint32_t connection_id, const void *payload, uint32_t len)
{
    uint64_t status = ENL_HV_STATUS_INSUFFICIENT_BUFFERS;

    memset(&post, 0, sizeof(post));
    post.connection_id = connection_id;
    post.message_type = ENL_MESSAGE_VMBUS;
    post.payload_len = len;
    memcpy(post.payload, payload, len);
    for (uint32_t i = 0; i < POST_TRIES && status == ENL_HV_STATUS_INSUFFICIENT_BUFFERS;
         i++) {
        status = hypercall(ENL_CALL_POST_MESSAGE, (uintptr_t)&post, 0);
        if (status)
            spin_us(1000);
    }
    return status;
}

static uint64_t
post_type(uint32_t type)
{
    struct enl_vmbus_header header = {type, 0};

    return post_now(ENL_VMBUS_CONNECTION_MESSAGE_5, &header, sizeof(header));
}

static uint64_t
post_contact(uint32_t vp)
{
    struct enl_vmbus_initiate_contact contact;

    memset(&contact, 0, sizeof(contact));
    contact.head.type = ENL_VMBUS_INITIATE_CONTACT;
    contact.version = ENL_VMBUS_VERSION_WIN10_5_2;
    contact.target_vp = vp;
    contact.u.target.sint = SINT;
    return post_now(ENL_VMBUS_CONNECTION_MESSAGE_5, &contact, sizeof(contact));
}

static uint32_t
type_of(const struct enl_message *message)
{
    struct enl_vmbus_header header;

    memcpy(&header, message->payload, sizeof(header));
    return header.type;
}

static void
check_version_response(const struct enl_message *message)
{
    struct enl_vmbus_version_response response;

    memcpy(&response, message->payload, sizeof(response));
    EQUAL(message->type, ENL_MESSAGE_VMBUS);
    EQUAL(response.head.type, ENL_VMBUS_VERSION_RESPONSE);
    EQUAL(response.supported, 1);
    EQUAL(response.connection_state, ENL_VMBUS_CONNECTION_STATE_SUCCESS);
    for (uint32_t i = message->payload_len; i < ENL_MESSAGE_PAYLOAD; i++)
        EQUAL(message->payload[i], 0);
}

static bool
connect(void)
{
    struct enl_message message;

    if (post_contact(0) != 0 || !rig_wait(SINT))
        return false;
    rig_take(SINT, &message);
    return type_of(&message) == ENL_VMBUS_VERSION_RESPONSE;
}

/* Takes what else is under way. False: no answer. */
static bool
disconnect(void)
{
    struct enl_message message;

    if (post_type(ENL_VMBUS_UNLOAD) != 0)
        return false;
    for (uint32_t i = 0; i < OFFERS_MAX && rig_wait(SINT); i++) {
        rig_take(SINT, &message);
        if (type_of(&message) == ENL_VMBUS_UNLOAD_RESPONSE)
            return true;
    }
    return false;
}

#define REQUIRE_VMBUS()                                                                  \
    REQUIRE(has_priv(ENL_PRIV_SYNIC | ENL_PRIV_POST_MESSAGES | ENL_PRIV_SIGNAL_EVENTS))

static void
start(void)
{
    hypercall_page_on();
    rig_on();
    rig_sint(SINT, VMBUS_VECTOR);
}

static void
answer_lands_in_its_slot(void)
{
    struct enl_message message;

    REQUIRE_VMBUS();
    start();
    EQUAL(post_contact(0), ENL_HV_STATUS_SUCCESS);
    CHECK(rig_wait(SINT));
    CHECK(wait_word(&cpu_this()->irqs[VMBUS_VECTOR], 1));
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++)
        EQUAL(rig_slot(0, i)->type, i == SINT ? ENL_MESSAGE_VMBUS : ENL_MESSAGE_NONE);
    rig_take(SINT, &message);
    check_version_response(&message);
    CHECK(disconnect());
    hypercall_page_off();
}

/* The slot stays taken until the host's whole list waits behind it; then all come. */
static void
messages_queue_behind_a_taken_slot(void)
{
    struct enl_message message, first;
    uint32_t offers = 0, type = 0, relids[OFFERS_MAX];

    REQUIRE_VMBUS();
    start();
    CHECK(connect());
    cpu_this()->irqs[VMBUS_VECTOR] = 0;
    EQUAL(post_type(ENL_VMBUS_REQUEST_OFFERS), ENL_HV_STATUS_SUCCESS);
    CHECK(rig_wait(SINT));
    CHECK(WAIT_UNTIL(rig_slot(0, SINT)->flags & ENL_MESSAGE_FLAG_PENDING));
    memcpy(&first, (const void *)rig_slot(0, SINT), sizeof(first));
    spin_us(5000);
    EQUAL(cpu_this()->irqs[VMBUS_VECTOR], 1);
    EQUAL(memcmp(&first, (const void *)rig_slot(0, SINT), sizeof(first)), 0);
    while (type != ENL_VMBUS_ALL_OFFERS_DELIVERED && offers < OFFERS_MAX &&
           rig_wait(SINT)) {
        struct enl_vmbus_offer offer;

        rig_take(SINT, &message);
        type = type_of(&message);
        if (type != ENL_VMBUS_OFFER_CHANNEL)
            continue;
        memcpy(&offer, message.payload, sizeof(offer));
        for (uint32_t i = 0; i < offers; i++)
            CHECK(relids[i] != offer.relid);
        relids[offers++] = offer.relid;
    }
    EQUAL(type, ENL_VMBUS_ALL_OFFERS_DELIVERED);
    CHECK(offers >= 3);
    CHECK(wait_word(&cpu_this()->irqs[VMBUS_VECTOR], offers + 1));
    CHECK(disconnect());
    hypercall_page_off();
}

static void
masked_sint_gets_messages_without_interrupt(void)
{
    struct enl_message message;

    REQUIRE_VMBUS();
    start();
    rig_sint(SINT, VMBUS_VECTOR | ENL_SINT_MASKED);
    EQUAL(post_contact(0), ENL_HV_STATUS_SUCCESS);
    CHECK(rig_wait(SINT));
    spin_us(5000);
    EQUAL(cpu_this()->irqs[VMBUS_VECTOR], 0);
    rig_take(SINT, &message);
    check_version_response(&message);
    rig_sint(SINT, VMBUS_VECTOR);
    EQUAL(post_type(ENL_VMBUS_UNLOAD), ENL_HV_STATUS_SUCCESS);
    CHECK(wait_word(&cpu_this()->irqs[VMBUS_VECTOR], 1));
    CHECK(rig_wait(SINT));
    rig_take(SINT, &message);
    EQUAL(type_of(&message), ENL_VMBUS_UNLOAD_RESPONSE);
    hypercall_page_off();
}

/* The host keeps what it has to say until the SynIC is on. */
static void
messages_wait_for_scontrol(void)
{
    struct enl_message message;

    REQUIRE_VMBUS();
    start();
    msr_write(ENL_MSR_SCONTROL, 0);
    EQUAL(post_contact(0), ENL_HV_STATUS_SUCCESS);
    spin_us(10000);
    EQUAL(rig_slot(0, SINT)->type, ENL_MESSAGE_NONE);
    EQUAL(cpu_this()->irqs[VMBUS_VECTOR], 0);
    msr_write(ENL_MSR_SCONTROL, ENL_SCONTROL_ENABLE);
    CHECK(rig_wait(SINT));
    CHECK(wait_word(&cpu_this()->irqs[VMBUS_VECTOR], 1));
    rig_take(SINT, &message);
    check_version_response(&message);
    CHECK(disconnect());
    hypercall_page_off();
}

static void
auto_eoi_sint_takes_many_messages(void)
{
    REQUIRE_VMBUS();
    start();
    cpu_this()->no_eoi[VMBUS_VECTOR] = true;
    rig_sint(SINT, VMBUS_VECTOR | ENL_SINT_AUTO_EOI);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(connect());
        CHECK(disconnect());
        CHECK(wait_word(&cpu_this()->irqs[VMBUS_VECTOR], 2 * i + 2));
        CHECK(!apic_in_service(VMBUS_VECTOR));
    }
    hypercall_page_off();
}

/* ---- another processor ---- */

static void
start_there(void *arg)
{
    (void)arg;
    synthetic_reset();
    rig_on();
    rig_sint(SINT, VMBUS_VECTOR);
}

static void
take_there(void *arg)
{
    if (rig_wait(SINT))
        rig_take(SINT, arg);
}

static void
stop_there(void *arg)
{
    (void)arg;
    synthetic_reset();
}

static void
messages_go_to_the_vp_that_asked(void)
{
    static struct enl_message message;

    REQUIRE_VMBUS();
    REQUIRE_CPUS(2);
    start();
    CHECK(smp_run(1, start_there, NULL));
    memset(&message, 0, sizeof(message));
    EQUAL(post_contact(1), ENL_HV_STATUS_SUCCESS);
    CHECK(smp_run(1, take_there, &message));
    check_version_response(&message);
    CHECK(wait_word(&cpus[1].irqs[VMBUS_VECTOR], 1));
    EQUAL(cpus[0].irqs[VMBUS_VECTOR], 0);
    EQUAL(rig_slot(0, SINT)->type, ENL_MESSAGE_NONE);
    memset(&message, 0, sizeof(message));
    EQUAL(post_type(ENL_VMBUS_UNLOAD), ENL_HV_STATUS_SUCCESS);
    CHECK(smp_run(1, take_there, &message));
    EQUAL(type_of(&message), ENL_VMBUS_UNLOAD_RESPONSE);
    CHECK(smp_run(1, stop_there, NULL));
    hypercall_page_off();
}

/* ---- a channel, by the library ---- */

static struct {
    struct enlg_synic synic[2];
    struct enlg_vmbus bus;
    struct enlg_channel channels[OFFERS_MAX];
    struct enlg_ic ic;
    uint32_t target;
    uint32_t relid;
    bool all_offers, started, stopped, flag_seen;
} lib;
static uint8_t lib_ring[2 * ENLG_IC_RING_LEN] __attribute__((aligned(4096)));
static uint8_t lib_buffer[ENLG_IC_BUFFER_LEN] __attribute__((aligned(8)));

static void
lib_stopped(void *ctx)
{
    (void)ctx;
    lib.stopped = true;
}

static void
lib_event(void *ctx, struct enlg_vmbus *bus, enum enlg_vmbus_event event,
          struct enlg_channel *channel)
{
    static const struct enl_guid heartbeat = ENL_GUID_HEARTBEAT;
    struct enlg_ic_config config = {.size = sizeof(config),
                                    .ring = lib_ring,
                                    .buffer = lib_buffer,
                                    .vp = lib.target,
                                    .stopped = lib_stopped};

    (void)ctx;
    (void)bus;
    if (event == ENLG_VMBUS_EVENT_ALL_OFFERS)
        lib.all_offers = true;
    if (event != ENLG_VMBUS_EVENT_OFFER ||
        memcmp(&enlg_channel_info(channel)->type, &heartbeat, sizeof(heartbeat)) != 0)
        return;
    lib.relid = enlg_channel_info(channel)->relid;
    lib.started = enlg_heartbeat_start(&lib.ic, channel, &config) == 0;
}

static void
lib_synic_on(void *arg)
{
    uint32_t cpu = cpu_this()->index;
    struct enlg_synic_pages pages = {&rig_messages[cpu], &rig_events[cpu]};
    struct enlg_synic *synic = &lib.synic[cpu];

    (void)arg;
    synthetic_reset();
    if (enlg_synic_enable(synic, &guest_partition, &pages) == 0)
        (void)!enlg_synic_unmask(synic, SINT, VMBUS_VECTOR, 0,
                                 &cpu_this()->no_eoi[VMBUS_VECTOR]);
}

static void
lib_events(void *arg)
{
    uint32_t cpu = cpu_this()->index;

    (void)arg;
    (void)enlg_vmbus_events(&lib.bus, &lib.synic[cpu]);
}

/* The relid's flag lies in the target's page, and nowhere else. */
static bool
flag_is_set(uint32_t cpu)
{
    uint32_t word = rig_events[cpu].sint[SINT].word[lib.relid / 32];

    __asm__ volatile("" ::: "memory");
    return (word >> lib.relid % 32 & 1) != 0;
}

static bool
lib_connect(uint32_t target)
{
    struct enlg_vmbus_config config;

    memset(&lib, 0, sizeof(lib));
    lib.target = target;
    enlg_vmbus_config_defaults(&config);
    config.synic = &lib.synic[0];
    config.channels = lib.channels;
    config.channel_count = OFFERS_MAX;
    config.event = lib_event;
    if (enlg_hypercall_enable(&guest_partition, hypercall_page, GUEST_OS_ID) != 0)
        return false;
    lib_synic_on(NULL);
    if (target != 0 && !smp_run(target, lib_synic_on, NULL))
        return false;
    return enlg_vmbus_init(&lib.bus, &guest_partition, &config) == 0 &&
           enlg_vmbus_connect(&lib.bus) == 0 &&
           WAIT_UNTIL((enlg_vmbus_poll(&lib.bus), lib.all_offers)) && lib.started;
}

/* Until the heartbeat's versions are agreed: that takes the host's signal to target. */
static void
lib_talk(void)
{
    CHECK(WAIT_UNTIL((enlg_vmbus_poll(&lib.bus), flag_is_set(lib.target))));
    CHECK(wait_word(&cpus[lib.target].irqs[VMBUS_VECTOR], 1));
    if (lib.target != 0)
        CHECK(!flag_is_set(0));
    while (!test_failed() && enlg_ic_version(&lib.ic) == 0) {
        CHECK(WAIT_UNTIL((enlg_vmbus_poll(&lib.bus), enlg_ic_poll(&lib.ic)) != 0));
        if (lib.target == 0)
            lib_events(NULL);
        else
            CHECK(smp_run(lib.target, lib_events, NULL));
    }
    CHECK(enlg_ic_version(&lib.ic) != 0);
}

/*
 * Signals without end at an open channel, and with a flag number that it has not. The host
 * hears as many as it likes: one is enough for the talk to go on.
 */
static void
lib_flood(void)
{
    struct enlg_channel *channel = enlg_vmbus_channel(&lib.bus, 0);
    uint64_t id = 0;

    for (uint32_t i = 1; channel; channel = enlg_vmbus_channel(&lib.bus, i++)) {
        if (enlg_channel_info(channel)->relid == lib.relid)
            id = enlg_channel_info(channel)->connection_id;
    }
    CHECK(id != 0);
    for (uint32_t i = 0; i < SIGNALS; i++)
        EQUAL(hypercall(ENL_CALL_SIGNAL_EVENT | ENL_HCALL_FAST, id, 0),
              ENL_HV_STATUS_SUCCESS);
    EQUAL(hypercall(ENL_CALL_SIGNAL_EVENT | ENL_HCALL_FAST, id | UINT64_C(1) << 32, 0),
          ENL_HV_STATUS_INVALID_PORT_ID);
}

static void
check_channel(uint32_t target, bool flood)
{
    CHECK(lib_connect(target));
    if (!test_failed() && flood)
        lib_flood();
    if (!test_failed())
        lib_talk();
    CHECK(enlg_vmbus_unload(&lib.bus) == 0);
    CHECK(WAIT_UNTIL(
        (enlg_vmbus_poll(&lib.bus), enlg_vmbus_state(&lib.bus) == ENLG_VMBUS_IDLE)));
    CHECK(lib.stopped);
    if (target != 0)
        CHECK(smp_run(target, stop_there, NULL));
    enlg_synic_disable(&lib.synic[0]);
    enlg_hypercall_disable(&guest_partition);
}

static void
channel_signals_set_its_flag(void)
{
    REQUIRE_VMBUS();
    check_channel(0, false);
}

static void
channel_bears_a_flood_of_signals(void)
{
    REQUIRE_VMBUS();
    check_channel(0, true);
}

static void
channel_signals_go_to_its_vp(void)
{
    REQUIRE_VMBUS();
    REQUIRE_CPUS(2);
    check_channel(1, false);
}

const struct test vmbus_tests[] = {
    {"answer_lands_in_its_slot", "S03 H32 V01", answer_lands_in_its_slot},
    {"messages_queue_behind_a_taken_slot", "S04 S05 S10 M15",
     messages_queue_behind_a_taken_slot},
    {"masked_sint_gets_messages_without_interrupt", "S11",
     masked_sint_gets_messages_without_interrupt},
    {"messages_wait_for_scontrol", "S01 M12", messages_wait_for_scontrol},
    {"auto_eoi_sint_takes_many_messages", "S08", auto_eoi_sint_takes_many_messages},
    {"messages_go_to_the_vp_that_asked", "S16", messages_go_to_the_vp_that_asked},
    {"channel_signals_set_its_flag", "S06 H33", channel_signals_set_its_flag},
    {"channel_bears_a_flood_of_signals", "H33 K04 L01", channel_bears_a_flood_of_signals},
    {"channel_signals_go_to_its_vp", "S17", channel_signals_go_to_its_vp},
    {NULL, NULL, NULL},
};
