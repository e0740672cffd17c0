/* SPDX-License-Identifier: BSD-2-Clause */
/* V51: every message in every state, too short, too long, from the wrong side, at random. */
#include <string.h>

#include "vmbus_rig.h"

static struct rig r;
static struct rig_guest guest;

/* ---- every state ---- */

enum scene {
    DISCONNECTED,
    DISCONNECTING, /* a worker still holds the ring */
    CONNECTED,     /* nothing was offered yet */
    OFFERED,
    OPEN,
    CLOSING,
    REOPENING,
    RESCINDING,
    RESCINDED,
    BROKEN,
    RELEASED, /* the guest gave it back */
    LEAVING,  /* ... while its worker was letting go */
    SCENES
};

static void
break_ring(void)
{
    guest.out.view.header->write_index = 1;
    rig_signal(&r, &guest);
    rig_settle(&r);
    guest.out.view.header->write_index = 0;
}

static void
act(enum scene scene)
{
    rig_open(&r, &guest, 1);
    r.dev.busy = scene != BROKEN;
    if (scene == DISCONNECTING)
        rig_contact(&r, ENL_VMBUS_VERSION_WS2022);
    if (scene == CLOSING || scene == REOPENING || scene == LEAVING)
        rig_close(&r, &guest);
    if (scene == REOPENING)
        rig_post_open(&r, &guest, 0);
    if (scene == LEAVING)
        rig_post_relid(&r, ENL_VMBUS_RELID_RELEASED, 1);
    if (scene == RESCINDING)
        enlh_channel_rescind(r.bus->by_relid[1]);
    if (scene == BROKEN)
        break_ring();
    rig_settle(&r);
}

/* Bring relid 1 into this state. */
static void
set(enum scene scene)
{
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    rig_offer(&r, 1, 0);
    if (scene == DISCONNECTED) {
        rig_post_head(&r, ENL_VMBUS_UNLOAD);
        rig_expect(&r, ENL_VMBUS_UNLOAD_RESPONSE, NULL, 0);
    }
    if (scene <= CONNECTED && scene != DISCONNECTING)
        return;
    assert_int_equal(rig_request_offers(&r), 1);
    if (scene == OFFERED)
        rig_prepare(&r, &guest, 1);
    else if (scene == RELEASED)
        rig_post_relid(&r, ENL_VMBUS_RELID_RELEASED, 1);
    else if (scene == RESCINDED)
        enlh_channel_rescind(r.bus->by_relid[1]);
    else
        act(scene);
    rig_drain(&r);
}

static enum enlh_channel_state
state_now(void)
{
    return r.bus->by_relid[1] ? r.bus->by_relid[1]->state : ENLH_CH_REMOVED;
}

/* ---- every message ---- */

enum {
    M_OPEN,
    M_CLOSE,
    M_RELEASE,
    M_MODIFY,
    M_HEADER,
    M_BODY,
    M_TEARDOWN,
    M_REQUEST,
    M_COUNT
};

static void
post(int message)
{
    struct {
        struct enl_vmbus_gpadl_body body;
        uint64_t pfn;
    } body = {.body = {.head = {.type = ENL_VMBUS_GPADL_BODY}, .gpadl = 0x9999}};
    struct enl_vmbus_modify_channel modify = {
        .head = {.type = ENL_VMBUS_MODIFY_CHANNEL}, .relid = 1, .target_vp = 1};

    guest.relid = 1;
    switch (message) {
    case M_OPEN:
        rig_post_open(&r, &guest, 0);
        break;
    case M_CLOSE:
        rig_post_relid(&r, ENL_VMBUS_CLOSE_CHANNEL, 1);
        break;
    case M_RELEASE:
        rig_post_relid(&r, ENL_VMBUS_RELID_RELEASED, 1);
        break;
    case M_MODIFY:
        rig_post(&r, &modify, sizeof(modify));
        break;
    case M_HEADER:
        rig_post_gpadl(&r, 1, 0x8888, RIG_RAM_GPA, 1);
        break;
    case M_BODY:
        rig_post(&r, &body, sizeof(body));
        break;
    case M_TEARDOWN:
        rig_post_teardown(&r, 1, 0x7777);
        break;
    default:
        rig_post_head(&r, ENL_VMBUS_REQUEST_OFFERS);
    }
}

/* What comes back: nothing, a success, a failure; and whether it was the guest's fault. */
enum { QUIET, GOOD, FAIL, QUIET_BAD, FAIL_BAD, GOOD_BAD };

struct cell {
    int answer;
    enum enlh_channel_state next;
};

#define C(answer, state)                                                                 \
    {                                                                                    \
        answer, ENLH_CH_##state                                                          \
    }
/* The last four are the same while there is a connection and nothing to be offered. */
#define REST(state)                                                                      \
    C(GOOD, state), C(QUIET_BAD, state), C(GOOD_BAD, state), C(QUIET_BAD, state)
#define DEAF(state)                                                                      \
    C(QUIET_BAD, state), C(QUIET_BAD, state), C(QUIET_BAD, state), C(QUIET_BAD, state)

/* clang-format off */
static const struct cell cells[SCENES][M_COUNT] = {
    /* OPEN, CLOSE, RELEASE, MODIFY, then HEADER, BODY, TEARDOWN, REQUEST */
    [DISCONNECTED]  = {DEAF(UNOFFERED), DEAF(UNOFFERED)},
    [DISCONNECTING] = {DEAF(LEAVING), DEAF(LEAVING)},
    [CONNECTED]  = {C(FAIL_BAD, UNOFFERED), C(QUIET_BAD, UNOFFERED),
                    C(QUIET_BAD, UNOFFERED), C(FAIL_BAD, UNOFFERED),
                    C(GOOD, UNOFFERED), C(QUIET_BAD, UNOFFERED), C(GOOD_BAD, UNOFFERED),
                    C(GOOD, OFFERED)},
    [OFFERED]    = {C(GOOD, OPEN), C(QUIET_BAD, OFFERED), C(QUIET, UNOFFERED),
                    C(FAIL_BAD, OFFERED), REST(OFFERED)},
    [OPEN]       = {C(FAIL_BAD, OPEN), C(QUIET, CLOSING), C(QUIET_BAD, OPEN),
                    C(GOOD, OPEN), REST(OPEN)},
    [CLOSING]    = {C(QUIET, REOPENING), C(QUIET_BAD, CLOSING), C(QUIET, LEAVING),
                    C(FAIL_BAD, CLOSING), REST(CLOSING)},
    [REOPENING]  = {C(FAIL_BAD, REOPENING), C(FAIL, CLOSING), C(QUIET_BAD, REOPENING),
                    C(FAIL_BAD, REOPENING), REST(REOPENING)},
    [RESCINDING] = {C(FAIL, RESCINDING), C(QUIET, RESCINDING),
                    C(QUIET_BAD, RESCINDING), C(FAIL, RESCINDING), REST(RESCINDING)},
    [RESCINDED]  = {C(FAIL, RESCINDED), C(QUIET, RESCINDED), C(QUIET, REMOVED),
                    C(FAIL, RESCINDED), REST(RESCINDED)},
    [BROKEN]     = {C(FAIL_BAD, BROKEN), C(QUIET, OFFERED), C(QUIET, UNOFFERED),
                    C(FAIL_BAD, BROKEN), REST(BROKEN)},
    [RELEASED]   = {C(FAIL_BAD, UNOFFERED), C(QUIET_BAD, UNOFFERED),
                    C(QUIET_BAD, UNOFFERED), C(FAIL_BAD, UNOFFERED), REST(UNOFFERED)},
    [LEAVING]    = {C(FAIL_BAD, LEAVING), C(QUIET_BAD, LEAVING), C(QUIET_BAD, LEAVING),
                    C(FAIL_BAD, LEAVING), REST(LEAVING)},
};
/* clang-format on */

static void
expect_answer(int message, bool good)
{
    struct enl_vmbus_gpadl_created created;
    struct enl_vmbus_modify_channel_response modified;

    if (message == M_OPEN || message == M_CLOSE) {
        assert_int_equal(rig_expect_open(&r, 1) == 0, good);
    } else if (message == M_MODIFY) {
        rig_expect(&r, ENL_VMBUS_MODIFY_CHANNEL_RESPONSE, &modified, sizeof(modified));
        assert_int_equal(modified.status == 0, good);
    } else if (message == M_HEADER) {
        rig_expect(&r, ENL_VMBUS_GPADL_CREATED, &created, sizeof(created));
        assert_int_equal(created.status == 0, good);
    } else if (message == M_TEARDOWN) {
        rig_expect(&r, ENL_VMBUS_GPADL_TORNDOWN, NULL, 0);
    } else {
        rig_expect(&r, ENL_VMBUS_OFFER_CHANNEL, NULL, 0);
        rig_expect(&r, ENL_VMBUS_ALL_OFFERS_DELIVERED, NULL, 0);
    }
}

static void
check(enum scene scene, int message)
{
    const struct cell *cell = &cells[scene][message];
    uint64_t bad;

    set(scene);
    bad = atomic_load(&r.bus->counts.malformed);
    post(message);
    if (cell->answer != QUIET && cell->answer != QUIET_BAD)
        expect_answer(message, cell->answer == GOOD || cell->answer == GOOD_BAD);
    rig_expect_none(&r);
    if (state_now() != cell->next)
        print_message("scene %d message %d: %s\n", scene, message,
                      enlh_channel_state_name(state_now()));
    assert_int_equal(state_now(), cell->next);
    assert_int_equal(atomic_load(&r.bus->counts.malformed) - bad,
                     cell->answer >= QUIET_BAD);
    rig_stop(&r);
}

static void
messages_each_in_each_state_has_its_answer(void **state)
{
    (void)state;
    for (enum scene scene = DISCONNECTED; scene < SCENES; scene++)
        for (int message = 0; message < M_COUNT; message++)
            check(scene, message);
}

/* UNLOAD and INITIATE_CONTACT always work, after the worker has let go. */
static void
messages_that_end_the_connection_work_in_each_state(void **state)
{
    (void)state;
    for (enum scene scene = DISCONNECTED; scene < SCENES; scene++)
        for (int contact = 0; contact < 2; contact++) {
            set(scene);
            if (contact)
                rig_contact(&r, ENL_VMBUS_VERSION_WIN10);
            else
                rig_post_head(&r, ENL_VMBUS_UNLOAD);
            rig_finish(&r);
            rig_expect(&r,
                       contact ? ENL_VMBUS_VERSION_RESPONSE : ENL_VMBUS_UNLOAD_RESPONSE,
                       NULL, 0);
            rig_expect_none(&r);
            assert_int_equal(enlh_vmbus_version(r.bus),
                             contact ? ENL_VMBUS_VERSION_WIN10 : 0);
            assert_int_equal(state_now(), scene == RESCINDED || scene == RESCINDING
                                              ? ENLH_CH_REMOVED
                                              : ENLH_CH_UNOFFERED);
            assert_int_equal(r.bus->quota.count, 0);
            assert_int_equal(r.bus->worker_count, 0);
            rig_stop(&r);
        }
}

/* ---- lengths and types ---- */

static const struct {
    uint32_t type, len;
} lengths[] = {
    {ENL_VMBUS_REQUEST_OFFERS, 8},  {ENL_VMBUS_OPEN_CHANNEL, 148},
    {ENL_VMBUS_CLOSE_CHANNEL, 12},  {ENL_VMBUS_GPADL_HEADER, 20},
    {ENL_VMBUS_GPADL_BODY, 16},     {ENL_VMBUS_GPADL_TEARDOWN, 16},
    {ENL_VMBUS_RELID_RELEASED, 12}, {ENL_VMBUS_INITIATE_CONTACT, 40},
    {ENL_VMBUS_UNLOAD, 8},          {ENL_VMBUS_TL_CONNECT_REQUEST, 40},
    {ENL_VMBUS_MODIFY_CHANNEL, 16},
};

static void
messages_that_are_too_short_change_nothing(void **state)
{
    (void)state;
    for (enum scene scene = DISCONNECTED; scene < SCENES; scene++) {
        set(scene);
        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
            for (uint32_t len = 0; len < lengths[i].len; len++) {
                struct {
                    struct enl_vmbus_header head;
                    uint32_t relid;
                    uint8_t rest[228];
                } message = {.head = {.type = lengths[i].type}, .relid = 1};
                enum enlh_channel_state before = state_now();
                uint64_t bad = atomic_load(&r.bus->counts.malformed);

                rig_post(&r, &message, len);
                rig_expect_none(&r);
                assert_int_equal(state_now(), before);
                assert_int_equal(atomic_load(&r.bus->counts.malformed), bad + 1);
            }
        rig_stop(&r);
    }
}

/* V52 */
static void
messages_may_have_garbage_behind_them(void **state)
{
    uint8_t message[240];
    struct enl_vmbus_initiate_contact contact = {
        .head = {.type = ENL_VMBUS_INITIATE_CONTACT},
        .version = ENL_VMBUS_VERSION_WS2022,
    };
    struct enl_vmbus_header request = {.type = ENL_VMBUS_REQUEST_OFFERS};

    (void)state;
    rig_init(&r);
    rig_start(&r, 1);
    rig_offer(&r, 1, 0);
    memset(message, 0xff, sizeof(message));
    memcpy(message, &contact, sizeof(contact));
    rig_post(&r, message, sizeof(message));
    rig_expect(&r, ENL_VMBUS_VERSION_RESPONSE, NULL, 0);
    memset(message, 0xff, sizeof(message));
    memcpy(message, &request, sizeof(request));
    rig_post(&r, message, sizeof(message));
    rig_expect(&r, ENL_VMBUS_OFFER_CHANNEL, NULL, 0);
    rig_expect(&r, ENL_VMBUS_ALL_OFFERS_DELIVERED, NULL, 0);
    rig_stop(&r);
}

static bool
is_known(uint32_t type)
{
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        if (lengths[i].type == type)
            return true;
    return false;
}

static void
messages_of_the_host_or_unknown_change_nothing(void **state)
{
    (void)state;
    for (enum scene scene = DISCONNECTED; scene < SCENES; scene++) {
        enum enlh_channel_state before;

        set(scene);
        before = state_now();
        for (uint32_t type = 0; type < 70; type++) {
            uint32_t message[60] = {type < 64 ? type : 1u << (type - 64 + 26), 0, 1};
            uint64_t bad = atomic_load(&r.bus->counts.malformed);

            if (is_known(message[0]))
                continue;
            rig_post(&r, message, sizeof(message));
            rig_expect_none(&r);
            assert_int_equal(state_now(), before);
            assert_int_equal(atomic_load(&r.bus->counts.malformed), bad + 1);
        }
        rig_stop(&r);
    }
}

/* Lines about a guest's faults run out. */
static void
messages_cannot_flood_the_log(void **state)
{
    uint32_t message[2] = {99, 0};

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    fake_forget(&r.f);
    for (int i = 0; i < 5000; i++)
        rig_post(&r, message, sizeof(message));
    assert_in_range(r.f.log_count, 1, 100);
    rig_stop(&r);
}

/* ---- at random ---- */

static uint64_t seed;

static uint32_t
dice(uint32_t sides)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % sides;
}

/* A message whose fields are mostly plausible. */
static uint32_t
random_message(uint32_t *words)
{
    static const uint32_t types[] = {3, 5,  5,  5,  7,  7,  8,  8, 8,
                                     9, 11, 11, 13, 14, 16, 21, 22};
    uint32_t type = dice(20) ? types[dice(sizeof(types) / sizeof(types[0]))] : dice(40);

    if ((type == 14 || type == 16 || type == 3) && dice(4))
        type = 8;
    for (int i = 0; i < 60; i++)
        words[i] = dice(3) ? dice(6) : dice(0x7fffffff);
    words[0] = type;
    words[1] = 0;
    if (type == 14) {
        words[2] = dice(3) ? ENL_VMBUS_VERSION_WS2022 : dice(0x60001);
        words[3] = dice(3);
        words[4] = 2;
    }
    if (type == 5) {
        words[4] = dice(6);
        words[5] = dice(3);
        words[6] = dice(8);
    }
    if (type == 8 && dice(4)) { /* rings of eight pages, at addresses that are there */
        words[3] = dice(6);
        words[4] = 72 | 1u << 16;
        words[5] = 8 * 4096;
        words[6] = 0;
        for (int i = 0; i < 8; i++) {
            words[7 + 2 * i] = 0x200 + (uint32_t)i;
            words[8 + 2 * i] = 0;
        }
    }
    return dice(10) ? 240 : dice(241);
}

static void
random_step(void)
{
    uint32_t words[60];
    uint32_t what = dice(100);

    if (what < 70) {
        (void)rig_post_raw(&r, words, random_message(words));
    } else if (what < 75) {
        struct enlh_channel *channel = r.bus->by_relid[1 + dice(8)];

        if (channel)
            enlh_channel_rescind(channel);
    } else if (what < 80) {
        struct enlh_offer offer = rig_offer_of((uint16_t)dice(6), (uint16_t)dice(2));
        struct enlh_channel *channel;
        int result = enlh_channel_offer(r.bus, &offer, &rig_ops, &r.dev, &channel);

        assert_true(result == 0 || result == -ENL_E_EXIST);
    } else if (what < 85) {
        r.dev.busy = dice(2);
        for (int i = 1; i < 10; i++)
            r.worker[i].woken |= r.worker[i].channel != NULL;
    } else if (what < 90) {
        rig_drain(&r);
    } else if (what < 95) {
        rig_work(&r);
    } else {
        memset(fake_at(&r.f, RIG_RAM_GPA, 0x8000), dice(2) ? 0 : (int)dice(256), 0x8000);
    }
    if (dice(3) == 0)
        rig_poll(&r);
}

static void
messages_at_random_do_no_harm(void **state)
{
    (void)state;
    for (uint64_t run = 0; run < 30; run++) {
        seed = run * 77 + 5;
        rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
        for (int i = 0; i < 2000; i++) {
            random_step();
            if (r.f.interrupt_count > FAKE_RECORDS / 2)
                fake_forget(&r.f);
        }
        rig_drain(&r);
        rig_stop(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_each_in_each_state_has_its_answer),
        cmocka_unit_test(messages_that_end_the_connection_work_in_each_state),
        cmocka_unit_test(messages_that_are_too_short_change_nothing),
        cmocka_unit_test(messages_may_have_garbage_behind_them),
        cmocka_unit_test(messages_of_the_host_or_unknown_change_nothing),
        cmocka_unit_test(messages_cannot_flood_the_log),
        cmocka_unit_test(messages_at_random_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
