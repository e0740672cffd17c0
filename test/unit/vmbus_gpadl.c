/* SPDX-License-Identifier: BSD-2-Clause */
/* GPADLs: assembly, what is refused, the quotas, teardown while in use. */
#include <string.h>

#include "vmbus_rig.h"

static struct rig r;
static struct rig_guest guest;

struct header_message {
    struct enl_vmbus_gpadl_header header;
    uint8_t data[ENL_VMBUS_GPADL_HEADER_DATA];
} __attribute__((packed));

/* A GPADL_HEADER with data_len bytes of ranges in it, of buf_len bytes in all. */
static struct header_message
header_of(uint32_t relid, uint32_t handle, uint16_t buf_len, uint16_t range_count)
{
    return (struct header_message){
        .header = {.head = {.type = ENL_VMBUS_GPADL_HEADER},
                   .relid = relid,
                   .gpadl = handle,
                   .range_buf_len = buf_len,
                   .range_count = range_count},
    };
}

/* Append a range and its page numbers; returns where the next one goes. */
static uint32_t
add_range(uint8_t *at, uint32_t byte_count, uint32_t byte_offset, const uint64_t *pfns,
          uint32_t count)
{
    struct enl_gpa_range range = {.byte_count = byte_count, .byte_offset = byte_offset};

    memcpy(at, &range, 8);
    memcpy(at + 8, pfns, count * 8);
    return 8 + count * 8;
}

static uint32_t
created_status(uint32_t relid, uint32_t handle)
{
    struct enl_vmbus_gpadl_created created;

    rig_expect(&r, ENL_VMBUS_GPADL_CREATED, &created, sizeof(created));
    assert_int_equal(created.relid, relid);
    assert_int_equal(created.gpadl, handle);
    return created.status;
}

static void
expect_torndown(uint32_t handle)
{
    struct enl_vmbus_gpadl_torndown torndown;

    rig_expect(&r, ENL_VMBUS_GPADL_TORNDOWN, &torndown, sizeof(torndown));
    assert_int_equal(torndown.gpadl, handle);
}

/* A connected guest with one offered channel, relid 1. */
static struct enlh_channel *
offered(void)
{
    struct enlh_channel *channel;

    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    channel = rig_offer(&r, 1, 0);
    assert_int_equal(rig_request_offers(&r), 1);
    assert_int_equal(enlh_channel_relid(channel), 1);
    return channel;
}

static void
assert_nothing_held(void)
{
    assert_int_equal(r.bus->quota.count, 0);
    assert_int_equal(r.bus->quota.bytes, 0);
    assert_int_equal(r.bus->quota.host_bytes, 0);
}

/* ---- assembly ---- */

/* R21, V29 */
static void
gpadl_of_many_bodies_becomes_spans(void **state)
{
    struct enlh_channel *channel = offered();
    const struct enlh_span *spans;
    uint32_t count;

    (void)state;
    assert_int_equal(rig_gpadl(&r, 1, 10, 0x200000, 256), 0);
    assert_int_equal(enlh_channel_gpadl(channel, 10, &spans, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(spans[0].offset, 0x200000);
    assert_int_equal(spans[0].len, 256 * 4096);
    assert_int_equal(enlh_channel_gpadl(channel, 11, &spans, &count), -ENL_E_NOENT);
    rig_stop(&r);
}

/* O11 */
static void
gpadl_ranges_may_be_unaligned_and_several(void **state)
{
    static const uint64_t first[] = {0x203, 0x201}, second[] = {0x207};
    struct enlh_channel *channel = offered();
    struct header_message message = header_of(1, 10, 24 + 16, 2);
    const struct enlh_span *spans;
    uint32_t count, at;

    (void)state;
    at = add_range(message.data, 4096, 100, first, 2);
    at += add_range(message.data + at, 33, 4000, second, 1);
    rig_post(&r, &message, (uint32_t)sizeof(message.header) + at);
    assert_int_equal(created_status(1, 10), 0);
    assert_int_equal(enlh_channel_gpadl(channel, 10, &spans, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(spans[0].offset, 0x203064);
    assert_int_equal(spans[0].len, 3996);
    assert_int_equal(spans[1].offset, 0x201000);
    assert_int_equal(spans[1].len, 100);
    assert_int_equal(spans[2].offset, 0x207fa0);
    assert_int_equal(spans[2].len, 33);
    rig_stop(&r);
}

static void
gpadl_may_lie_in_two_regions(void **state)
{
    static const uint64_t pfns[] = {0x3ff, FAKE_HIGH_GPA >> 12};
    struct enlh_channel *channel = offered();
    struct header_message message = header_of(1, 10, 24, 1);
    const struct enlh_span *spans;
    uint32_t count;

    (void)state;
    add_range(message.data, 8192, 0, pfns, 2);
    rig_post(&r, &message, sizeof(message.header) + 24);
    assert_int_equal(created_status(1, 10), 0);
    assert_int_equal(enlh_channel_gpadl(channel, 10, &spans, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(spans[0].region, 0);
    assert_int_equal(spans[1].region, 1);
    rig_stop(&r);
}

/* V52: firmware sends its longest message, whatever is in it. */
static void
gpadl_garbage_behind_the_ranges_is_ignored(void **state)
{
    static const uint64_t pfns[] = {0x200};
    struct header_message message = header_of(1, 10, 16, 1);

    (void)state;
    offered();
    memset(message.data, 0xff, sizeof(message.data));
    add_range(message.data, 4096, 0, pfns, 1);
    rig_post(&r, &message, sizeof(message));
    assert_int_equal(created_status(1, 10), 0);
    rig_expect_none(&r);
    rig_stop(&r);
}

static void
gpadl_a_body_longer_than_what_is_missing_is_cut(void **state)
{
    struct header_message header = header_of(1, 10, 24, 1);
    struct {
        struct enl_vmbus_gpadl_body body;
        uint64_t pfn[28];
    } body = {.body = {.head = {.type = ENL_VMBUS_GPADL_BODY}, .gpadl = 10}};
    static const uint64_t pfns[] = {0x200};

    (void)state;
    offered();
    memset(body.pfn, 0xff, sizeof(body.pfn));
    body.pfn[0] = 0x201;
    add_range(header.data, 8192, 0, pfns, 1);
    rig_post(&r, &header, sizeof(header.header) + 16);
    rig_expect_none(&r);
    rig_post(&r, &body, sizeof(body));
    assert_int_equal(created_status(1, 10), 0);
    rig_post(&r, &body, sizeof(body)); /* one too many */
    rig_expect_none(&r);
    assert_int_equal(atomic_load(&r.bus->counts.malformed), 1);
    rig_stop(&r);
}

static void
gpadl_two_may_be_assembled_at_once(void **state)
{
    static const uint64_t pfns[] = {0x200};
    struct {
        struct enl_vmbus_gpadl_body body;
        uint64_t pfn;
    } body = {.body = {.head = {.type = ENL_VMBUS_GPADL_BODY}}};

    (void)state;
    offered();
    for (uint32_t handle = 10; handle < 12; handle++) {
        struct header_message header = header_of(1, handle, 24, 1);

        add_range(header.data, 8192, 0, pfns, 1);
        rig_post(&r, &header, sizeof(header.header) + 16);
    }
    body.pfn = 0x201;
    for (uint32_t handle = 11; handle >= 10; handle--) {
        body.body.gpadl = handle;
        rig_post(&r, &body, sizeof(body));
        assert_int_equal(created_status(1, handle), 0);
    }
    rig_stop(&r);
}

/* ---- what is refused ---- */

static void
gpadl_bad_ranges_are_refused(void **state)
{
    static const struct {
        uint32_t byte_count, byte_offset;
        uint16_t buf_len, range_count;
        uint64_t pfn;
    } bad[] = {
        {4096, 0, 16, 0, 0x200},       /* no range */
        {0, 0, 16, 1, 0x200},          /* an empty one */
        {4096, 0, 8, 1, 0x200},        /* no page number */
        {4096, 0, 0, 1, 0x200},        /* nothing at all */
        {4096, 1, 16, 1, 0x200},       /* too few page numbers */
        {4096, 0, 24, 1, 0x200},       /* too many */
        {4096, 4096, 16, 1, 0x200},    /* an offset beyond its page */
        {0xffffffff, 0, 16, 1, 0x200}, /* 4 GiB in one page */
        {4096, 0, 16, 2, 0x200},       /* a range that is not there */
        {4096, 0, 16, 0xffff, 0x200},  /* many of them */
        {4096, 0, 16, 1, 0x500},       /* outside memory */
        {4096, 0, 16, 1, UINT64_MAX},  /* outside everything */
        {4096, 0, 16, 1, 1ull << 52},  /* an address that wraps */
    };

    (void)state;
    offered();
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct header_message message =
            header_of(1, 100 + i, bad[i].buf_len, bad[i].range_count);

        add_range(message.data, bad[i].byte_count, bad[i].byte_offset, &bad[i].pfn, 1);
        rig_post(&r, &message, sizeof(message));
        assert_int_not_equal(created_status(1, 100 + i), 0);
        assert_nothing_held();
    }
    rig_stop(&r);
}

static void
gpadl_a_handle_in_use_is_refused(void **state)
{
    struct enlh_channel *channel = offered();
    const struct enlh_span *spans;
    uint32_t count;

    (void)state;
    rig_offer(&r, 2, 0);
    rig_expect(&r, ENL_VMBUS_OFFER_CHANNEL, NULL, 0);
    assert_int_equal(rig_gpadl(&r, 1, 10, 0x200000, 1), 0);
    assert_int_not_equal(rig_gpadl(&r, 1, 10, 0x210000, 1), 0);
    assert_int_not_equal(rig_gpadl(&r, 2, 10, 0x210000, 1), 0);
    assert_int_equal(enlh_channel_gpadl(channel, 10, &spans, &count), 0);
    assert_int_equal(spans[0].offset, 0x200000); /* the first one stays */
    rig_post_teardown(&r, 1, 10);
    rig_close(&r, &(struct rig_guest){.relid = 1});
    rig_stop(&r);
}

/* The guest may not know yet that the channel is gone. */
static void
gpadl_of_a_channel_that_is_not_there_is_acknowledged(void **state)
{
    static const uint32_t relids[] = {0, 2, 2047, 2048, 0xffffffff};

    (void)state;
    offered();
    for (uint32_t i = 0; i < sizeof(relids) / sizeof(relids[0]); i++) {
        assert_int_equal(rig_gpadl(&r, relids[i], 100 + i, 0x200000, 40), 0);
        rig_post_teardown(&r, relids[i], 100 + i);
        expect_torndown(100 + i);
    }
    assert_nothing_held();
    rig_stop(&r);
}

static void
gpadl_of_a_rescinded_channel_is_acknowledged(void **state)
{
    struct enlh_channel *channel = offered();

    (void)state;
    enlh_channel_rescind(channel);
    rig_expect(&r, ENL_VMBUS_RESCIND_OFFER, NULL, 0);
    assert_int_equal(rig_gpadl(&r, 1, 10, 0x200000, 40), 0);
    assert_int_equal(rig_gpadl(&r, 1, 11, 0x200000, 40), 0);
    rig_post_teardown(&r, 1, 10);
    expect_torndown(10);
    rig_post_relid(&r, ENL_VMBUS_RELID_RELEASED, 1);
    assert_nothing_held();
    rig_stop(&r);
}

/* ---- quotas ---- */

/* R22: page by page up to the limit, which only counts what is there. */
static void
gpadl_quota_of_guest_memory_is_kept(void **state)
{
    (void)state;
    rig_init(&r);
    r.config.gpadl_limit = 100 * 4096;
    rig_start(&r, 1);
    assert_int_equal(rig_negotiate(&r, ENL_VMBUS_VERSION_WS2022).supported, 1);
    assert_int_equal(rig_gpadl(&r, 1, 10, 0x200000, 60), 0);
    assert_int_equal(rig_gpadl(&r, 1, 11, 0x200000, 40), 0);
    assert_int_equal(r.bus->quota.bytes, 100 * 4096);
    {
        static const uint64_t pfn = 0x200;
        struct header_message message = header_of(1, 12, 16, 1);

        add_range(message.data, 1, 0, &pfn, 1);
        rig_post(&r, &message, sizeof(message));
        assert_int_equal(created_status(1, 12), ENL_VMBUS_STATUS_NO_RESOURCES);
    }
    rig_post_teardown(&r, 1, 11);
    expect_torndown(11);
    assert_int_equal(rig_gpadl(&r, 1, 12, 0x200000, 40), 0);
    rig_negotiate(&r, ENL_VMBUS_VERSION_WS2022);
    assert_nothing_held();
    rig_stop(&r);
}

static void
gpadl_quota_follows_the_host_that_is_shown(void **state)
{
    static const struct {
        uint32_t version;
        uint64_t mib;
    } hosts[] = {{ENL_VMBUS_VERSION_WIN8, 384},
                 {ENL_VMBUS_VERSION_WIN10_5_1, 384},
                 {ENL_VMBUS_VERSION_WIN10_5_2, 1280},
                 {ENL_VMBUS_VERSION_WS2022, 1280}};

    (void)state;
    for (int i = 0; i < 4; i++) {
        rig_init(&r);
        r.config.max_version = hosts[i].version;
        rig_start(&r, 1);
        assert_int_equal(r.bus->quota.limit, hosts[i].mib << 20);
        rig_stop(&r);
    }
}

/* The whole 1280 MiB, in GPADLs of 4 MiB over the same memory. */
static void
gpadl_quota_of_the_real_host_is_reached(void **state)
{
    uint32_t count = 0;

    (void)state;
    offered();
    while (rig_gpadl(&r, 1, 1000 + count, 0, 1024) == 0)
        count++;
    assert_int_equal(count, 1280 / 4);
    rig_stop(&r);
}

/* A header alone charges all that it announces: 20 bytes cannot promise 32 MiB often. */
static void
gpadl_quota_counts_what_is_announced(void **state)
{
    uint32_t count = 0;

    (void)state;
    offered();
    for (;; count++) {
        struct header_message message = header_of(1, 1000 + count, 65528, 1);

        assert_true(count < 100);
        rig_post(&r, &message, sizeof(message.header));
        if (rig_drain(&r))
            break;
    }
    assert_in_range(count, 40, 41); /* 1280 MiB of 31.99 MiB each */
    rig_stop(&r);
}

/* 10^6 GPADLs of one byte: neither their number nor our memory grows without a bound. */
static void
gpadl_a_flood_of_tiny_ones_is_bounded(void **state)
{
    static const uint64_t pfn = 0x200;
    uint64_t most = 0;
    uint32_t made = 0;

    (void)state;
    offered();
    for (uint32_t i = 0; i < 30000; i++) {
        struct header_message message = header_of(1, i, 16, 1);

        add_range(message.data, 1, 0, &pfn, 1);
        rig_post(&r, &message, sizeof(message.header) + 16);
        made += created_status(1, i) == 0;
        if (r.f.alloc_bytes > most)
            most = r.f.alloc_bytes;
    }
    assert_int_equal(made, 8192);
    assert_true(most < (8u << 20));
    rig_stop(&r);
}

/* The dearest that a guest can ask for: page numbers that never follow one another. */
static void
gpadl_scattered_memory_is_bounded(void **state)
{
    static uint64_t pfns[28];
    uint32_t made = 0;

    (void)state;
    offered();
    for (int i = 0; i < 28; i++)
        pfns[i] = i % 2 ? 0x200 : 0x210;
    for (uint32_t handle = 0; handle < 400; handle++) {
        struct header_message header = header_of(1, handle, 8 + 8176 / 8 * 8, 1);
        struct {
            struct enl_vmbus_gpadl_body body;
            uint64_t pfn[28];
        } body = {.body = {.head = {.type = ENL_VMBUS_GPADL_BODY}, .gpadl = handle}};
        uint32_t left = 8176 / 8 - 26;

        add_range(header.data, 8176 / 8 * 4096, 0, pfns, 26);
        rig_post(&r, &header, sizeof(header));
        memcpy(body.pfn, pfns, sizeof(pfns));
        while (left && rig_drain(&r) == 0) {
            uint32_t n = left < 28 ? left : 28;

            rig_post(&r, &body, (uint32_t)sizeof(body.body) + n * 8);
            left -= n;
        }
        made += left == 0;
        rig_drain(&r);
    }
    assert_true(made > 300); /* the quota of guest memory is what ends it */
    assert_true(r.bus->quota.host_bytes < (16u << 20));
    rig_stop(&r);
}

/* Even where guest memory is not the bound, ours is. */
static void
gpadl_memory_of_ours_is_bounded(void **state)
{
    uint32_t count = 0;

    (void)state;
    rig_init(&r);
    r.config.gpadl_limit = UINT64_C(1) << 40;
    rig_start(&r, 1);
    assert_int_equal(rig_negotiate(&r, ENL_VMBUS_VERSION_WS2022).supported, 1);
    for (; count < 1000; count++) {
        struct header_message message = header_of(1, count, 65528, 1);

        rig_post(&r, &message, sizeof(message.header));
        if (rig_drain(&r))
            break;
    }
    assert_int_equal(count, 256);
    assert_true(r.bus->quota.host_bytes <= 16u << 20);
    rig_stop(&r);
}

static void
gpadl_without_memory_is_refused(void **state)
{
    (void)state;
    offered();
    for (int32_t i = 0; i < 3; i++) {
        r.f.alloc_countdown = i;
        assert_int_equal(rig_gpadl(&r, 1, 10, 0x200000, 2),
                         ENL_VMBUS_STATUS_NO_RESOURCES);
        r.f.alloc_countdown = -1;
        assert_nothing_held();
    }
    assert_int_equal(rig_gpadl(&r, 1, 10, 0x200000, 2), 0);
    rig_stop(&r);
}

/* ---- teardown ---- */

static void
gpadl_teardown_of_what_is_not_there_is_acknowledged(void **state)
{
    (void)state;
    offered();
    rig_post_teardown(&r, 1, 77);
    expect_torndown(77);
    rig_expect_none(&r);
    rig_stop(&r);
}

static void
gpadl_teardown_of_another_channels_is_a_fault(void **state)
{
    (void)state;
    offered();
    assert_int_equal(rig_gpadl(&r, 1, 10, 0x200000, 1), 0);
    rig_post_teardown(&r, 2, 10);
    rig_expect_none(&r);
    assert_int_equal(r.bus->quota.count, 1);
    rig_post_teardown(&r, 1, 10);
    expect_torndown(10);
    rig_stop(&r);
}

static void
gpadl_teardown_of_a_half_one_is_a_fault(void **state)
{
    struct header_message message = header_of(1, 10, 24, 1);

    (void)state;
    offered();
    rig_post(&r, &message, sizeof(message.header));
    rig_post_teardown(&r, 1, 10);
    rig_expect_none(&r);
    assert_int_equal(r.bus->quota.count, 1);
    rig_stop(&r);
}

/* The ring stays until the worker has let go. */
static void
gpadl_teardown_of_the_ring_waits_for_the_close(void **state)
{
    (void)state;
    rig_open_one(&r, &guest);
    r.dev.busy = true;
    rig_post_teardown(&r, guest.relid, guest.handle);
    rig_settle(&r);
    rig_expect_none(&r);
    rig_post_teardown(&r, guest.relid, guest.handle); /* twice is once */
    rig_close(&r, &guest);
    rig_expect_none(&r); /* the worker still has it */
    assert_int_equal(r.bus->quota.count, 1);
    rig_finish(&r);
    expect_torndown(guest.handle);
    rig_expect_none(&r);
    assert_nothing_held();
    rig_stop(&r);
}

/* The kernel that waited for it is gone; the next one has asked for nothing yet. */
static void
gpadl_teardown_of_a_guest_that_left_is_not_told(void **state)
{
    (void)state;
    rig_open_one(&r, &guest);
    rig_post_teardown(&r, guest.relid, guest.handle);
    rig_contact(&r, ENL_VMBUS_VERSION_WS2022);
    rig_settle(&r);
    rig_expect(&r, ENL_VMBUS_VERSION_RESPONSE, NULL, 0);
    rig_expect_none(&r);
    assert_nothing_held();
    rig_stop(&r);
}

static void
gpadl_that_waits_for_its_teardown_cannot_be_opened(void **state)
{
    (void)state;
    rig_open_one(&r, &guest);
    r.dev.busy = true;
    rig_post_teardown(&r, guest.relid, guest.handle);
    rig_close(&r, &guest);
    rig_post_open(&r, &guest, 0);
    rig_finish(&r);
    assert_int_not_equal(rig_expect_open(&r, guest.relid), 0);
    expect_torndown(guest.handle);
    rig_stop(&r);
}

static void
gpadl_lent_to_a_device_waits_until_it_comes_back(void **state)
{
    struct enlh_channel *channel = rig_open_one(&r, &guest);
    const struct enlh_span *spans;
    uint32_t count;

    (void)state;
    assert_int_equal(rig_gpadl(&r, guest.relid, 20, 0x300000, 4), 0);
    assert_int_equal(enlh_channel_gpadl(channel, 20, &spans, &count), 0);
    rig_post_teardown(&r, guest.relid, 20);
    rig_settle(&r);
    rig_expect_none(&r);
    assert_int_equal(spans[0].len, 4 * 4096); /* still good */
    assert_int_equal(enlh_channel_gpadl(channel, 20, &spans, &count), -ENL_E_NOENT);
    enlh_channel_gpadl_put(channel, 20);
    assert_true(r.loop_wakes > 0);
    expect_torndown(20);
    enlh_channel_gpadl_put(channel, 20); /* nothing there any more */
    rig_expect_none(&r);
    rig_stop(&r);
}

static void
gpadl_lent_to_a_device_goes_when_the_channel_closes(void **state)
{
    struct enlh_channel *channel = rig_open_one(&r, &guest);
    const struct enlh_span *spans;
    uint32_t count;

    (void)state;
    assert_int_equal(rig_gpadl(&r, guest.relid, 20, 0x300000, 4), 0);
    assert_int_equal(enlh_channel_gpadl(channel, 20, &spans, &count), 0);
    rig_post_teardown(&r, guest.relid, 20);
    rig_expect_none(&r);
    rig_close(&r, &guest);
    expect_torndown(20);
    rig_stop(&r);
}

/* More answers than there is room for. */
static void
gpadl_many_wait_for_one_close(void **state)
{
    struct enlh_channel *channel = rig_open_one(&r, &guest);
    const struct enlh_span *spans;
    uint32_t count;

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(rig_gpadl(&r, guest.relid, 1000 + i, 0x300000, 1), 0);
        assert_int_equal(enlh_channel_gpadl(channel, 1000 + i, &spans, &count), 0);
        rig_post_teardown(&r, guest.relid, 1000 + i);
    }
    rig_close(&r, &guest);
    for (uint32_t i = 0; i < 100; i++)
        expect_torndown(1000 + i);
    rig_expect_none(&r);
    rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpadl_of_many_bodies_becomes_spans),
        cmocka_unit_test(gpadl_ranges_may_be_unaligned_and_several),
        cmocka_unit_test(gpadl_may_lie_in_two_regions),
        cmocka_unit_test(gpadl_garbage_behind_the_ranges_is_ignored),
        cmocka_unit_test(gpadl_a_body_longer_than_what_is_missing_is_cut),
        cmocka_unit_test(gpadl_two_may_be_assembled_at_once),
        cmocka_unit_test(gpadl_bad_ranges_are_refused),
        cmocka_unit_test(gpadl_a_handle_in_use_is_refused),
        cmocka_unit_test(gpadl_of_a_channel_that_is_not_there_is_acknowledged),
        cmocka_unit_test(gpadl_of_a_rescinded_channel_is_acknowledged),
        cmocka_unit_test(gpadl_quota_of_guest_memory_is_kept),
        cmocka_unit_test(gpadl_quota_follows_the_host_that_is_shown),
        cmocka_unit_test(gpadl_quota_of_the_real_host_is_reached),
        cmocka_unit_test(gpadl_quota_counts_what_is_announced),
        cmocka_unit_test(gpadl_a_flood_of_tiny_ones_is_bounded),
        cmocka_unit_test(gpadl_scattered_memory_is_bounded),
        cmocka_unit_test(gpadl_memory_of_ours_is_bounded),
        cmocka_unit_test(gpadl_without_memory_is_refused),
        cmocka_unit_test(gpadl_teardown_of_what_is_not_there_is_acknowledged),
        cmocka_unit_test(gpadl_teardown_of_another_channels_is_a_fault),
        cmocka_unit_test(gpadl_teardown_of_a_half_one_is_a_fault),
        cmocka_unit_test(gpadl_teardown_of_the_ring_waits_for_the_close),
        cmocka_unit_test(gpadl_teardown_of_a_guest_that_left_is_not_told),
        cmocka_unit_test(gpadl_that_waits_for_its_teardown_cannot_be_opened),
        cmocka_unit_test(gpadl_lent_to_a_device_waits_until_it_comes_back),
        cmocka_unit_test(gpadl_lent_to_a_device_goes_when_the_channel_closes),
        cmocka_unit_test(gpadl_many_wait_for_one_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
