/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel over the guest half, whose host is the input: see rig_kernel.h. It is run by
 * the target; the library makes its platform run. Of the two it trusts the target.
 */
#include "rig_kernel.h"

#include <stdlib.h>
#include <string.h>

#include "enlight/abi/cpuid.h"
#include "enlight/abi/hypercall.h"
#include "enlight/abi/register.h"

/* ---- the platform ---- */

static void
platform_cpuid(void *ctx, uint32_t leaf, struct enl_cpuid_leaf *out)
{
    static const struct enl_cpuid_leaf leaves[] = {
        {ENL_CPUID_ISOLATION, ENL_VENDOR_EBX, ENL_VENDOR_ECX, ENL_VENDOR_EDX},
        {ENL_INTERFACE_SIGNATURE, 0, 0, 0},
        {20348, 10 << 16, 0, 0},
        {0x2FFF, 0x30, 0x20, ENL_FEAT_SINT_POLLING},
    };

    (void)ctx;
    memset(out, 0, sizeof(*out));
    if (leaf == 1)
        out->ecx = ENL_CPUID_1_ECX_HYPERVISOR;
    if (leaf >= ENL_CPUID_BASE && leaf < ENL_CPUID_BASE + 4)
        *out = leaves[leaf - ENL_CPUID_BASE];
}

static uint64_t *
reg_at(struct kernel *k, uint32_t reg)
{
    uint32_t i = 0;

    while (i < KERNEL_REGS && k->regs[i].reg && k->regs[i].reg != reg)
        i++;
    RIG_CHECK(i < KERNEL_REGS);
    k->regs[i].reg = reg;
    return &k->regs[i].value;
}

static int
platform_get_reg(void *ctx, uint32_t reg, uint64_t *value)
{
    *value = *reg_at(ctx, reg);
    return 0;
}

static int
platform_set_reg(void *ctx, uint32_t reg, uint64_t value)
{
    *reg_at(ctx, reg) = value;
    return 0;
}

static enl_gpa
platform_gpa(void *ctx, const void *address)
{
    (void)ctx;
    return (enl_gpa){(uint64_t)(uintptr_t)address};
}

static void
post_keep(struct kernel *k, const struct enl_hv_post_message *post)
{
    uint32_t at = (k->post_first + k->post_count) % KERNEL_POSTS;

    RIG_CHECK(post->message_type == ENL_MESSAGE_VMBUS && post->reserved == 0 &&
              post->payload_len <= ENL_VMBUS_MESSAGE_MAX);
    memcpy(k->posts[at], post->payload, sizeof(k->posts[at]));
    if (k->post_count < KERNEL_POSTS)
        k->post_count++;
    else
        k->post_first = (k->post_first + 1) % KERNEL_POSTS;
}

static uint64_t
platform_hypercall(void *ctx, const void *code, uint64_t control, uint64_t input,
                   uint64_t output)
{
    static const uint16_t refusals[] = {
        ENL_HV_STATUS_INVALID_CONNECTION_ID, ENL_HV_STATUS_INVALID_HYPERCALL_INPUT,
        ENL_HV_STATUS_INSUFFICIENT_BUFFERS, ENL_HV_STATUS_ACCESS_DENIED};
    struct kernel *k = ctx;

    (void)code;
    (void)output;
    if (k->refuse && --k->refuse == 0)
        return refusals[rig_below(&k->in, 4)];
    if (control == ENL_CALL_POST_MESSAGE)
        post_keep(k, (const void *)(uintptr_t)input);
    return 0;
}

static void
platform_pause(void *ctx, uint32_t attempt)
{
    (void)ctx;
    (void)attempt;
}

/* ---- memory ---- */

void *
kernel_memory(struct kernel *k, size_t len)
{
    uint32_t i = 0;

    while (i < KERNEL_RUNS && k->runs[i].base)
        i++;
    RIG_CHECK(i < KERNEL_RUNS);
    len = (len + ENL_PAGE_SIZE - 1) / ENL_PAGE_SIZE * ENL_PAGE_SIZE;
    k->runs[i].base = aligned_alloc(ENL_PAGE_SIZE, len);
    k->runs[i].len = len;
    RIG_CHECK(k->runs[i].base);
    memset(k->runs[i].base, 0, len);
    return k->runs[i].base;
}

void
kernel_memory_free(struct kernel *k, void *base)
{
    uint32_t i = 0;

    while (i < KERNEL_RUNS && k->runs[i].base != base)
        i++;
    RIG_CHECK(base && i < KERNEL_RUNS);
    for (uint32_t relid = 0; relid < KERNEL_RELIDS; relid++) {
        if (k->ends[relid].ring == base)
            k->ends[relid].ring = NULL;
    }
    for (uint32_t g = 0; g < KERNEL_GPADLS; g++) {
        if (k->gpadls[g].base >= k->runs[i].base &&
            k->gpadls[g].base < k->runs[i].base + k->runs[i].len)
            k->gpadls[g].base = NULL;
    }
    free(base);
    k->runs[i].base = NULL;
}

bool
kernel_memory_is(const struct kernel *k, const void *at, size_t len)
{
    for (uint32_t i = 0; i < KERNEL_RUNS; i++) {
        uintptr_t offset = (uintptr_t)at - (uintptr_t)k->runs[i].base;

        if (k->runs[i].base && offset < k->runs[i].len && len <= k->runs[i].len - offset)
            return true;
    }
    return false;
}

/* ---- life ---- */

void
kernel_init(struct kernel *k, const uint8_t *data, size_t size)
{
    memset(k, 0, sizeof(*k));
    k->in = (struct rig_input){data, size};
    k->platform = (struct enlg_platform){
        .size = sizeof(k->platform),
        .ctx = k,
        .cpuid = platform_cpuid,
        .get_reg = platform_get_reg,
        .set_reg = platform_set_reg,
        .hypercall = platform_hypercall,
        .gpa = platform_gpa,
        .pause = platform_pause,
    };
    enlg_vmbus_config_defaults(&k->config);
    k->config.synic = &k->synic;
    k->config.channels = k->channels;
    k->config.channel_count = KERNEL_CHANNELS;
    k->config.ctx = k;
}

void
kernel_start(struct kernel *k)
{
    struct enlg_synic_pages pages;

    for (uint32_t i = 0; i < 5; i++)
        k->pages[i] = kernel_memory(k, ENL_PAGE_SIZE);
    pages = (struct enlg_synic_pages){k->pages[0], k->pages[1]};
    k->slot = &((struct enl_message_page *)pages.messages)->slot[ENL_SINT_VMBUS];
    k->flags = &((struct enl_event_page *)pages.events)->sint[ENL_SINT_VMBUS];
    k->config.interrupt_page = k->pages[3];
    k->config.monitor_pages[0] = k->pages[4];
    RIG_CHECK(enlg_partition_init(&k->partition, &k->platform) == 0);
    RIG_CHECK(enlg_hypercall_enable(&k->partition, k->pages[2], RIG_OS_ID) == 0);
    RIG_CHECK(enlg_synic_enable(&k->synic, &k->partition, &pages) == 0);
    RIG_CHECK(enlg_synic_unmask(&k->synic, ENL_SINT_VMBUS, 0xF3, ENLG_SINT_POLL, NULL) ==
              0);
    RIG_CHECK(enlg_vmbus_init(&k->bus, &k->partition, &k->config) == 0);
}

void
kernel_stop(struct kernel *k)
{
    enlg_vmbus_abandon(&k->bus);
    RIG_CHECK(enlg_vmbus_channel(&k->bus, 0) == NULL);
    for (uint32_t i = 0; i < 5; i++)
        kernel_memory_free(k, k->pages[i]);
    for (uint32_t i = 0; i < KERNEL_RUNS; i++)
        RIG_CHECK(!k->runs[i].base);
}

/* ---- the host's messages ---- */

void
kernel_say(struct kernel *k, const void *message, uint32_t len)
{
    memcpy(k->slot->payload, message, len < 240 ? len : 240);
    k->slot->payload_len = (uint8_t)len;
    k->slot->type = ENL_MESSAGE_VMBUS;
    (void)enlg_vmbus_poll(&k->bus);
}

void
kernel_say_offer(struct kernel *k, uint32_t relid, uint8_t instance, uint16_t subchannel,
                 struct enl_guid type)
{
    struct enl_vmbus_offer m = {
        .head.type = ENL_VMBUS_OFFER_CHANNEL,
        .class_id = type,
        .instance_id.b[0] = instance,
        .subchannel_index = subchannel,
        .relid = relid,
        .is_dedicated = relid & 1,
        .connection_id = 0x2000 | relid,
    };

    kernel_say(k, &m, sizeof(m));
}

static void
gpadl_keep(struct kernel *k, const struct enl_vmbus_gpadl_header *m)
{
    uint32_t at = k->gpadl_count++ % KERNEL_GPADLS;
    struct enl_gpa_range range;
    uint64_t pfn;

    memcpy(&range, m + 1, sizeof(range));
    memcpy(&pfn, (const uint8_t *)(m + 1) + sizeof(range), sizeof(pfn));
    k->gpadls[at].handle = m->gpadl;
    k->gpadls[at].len = range.byte_count;
    k->gpadls[at].base = (uint8_t *)(uintptr_t)(pfn << ENL_PAGE_SHIFT);
}

static struct enl_ring_view
view_of(uint8_t *ring, uint32_t len)
{
    return (struct enl_ring_view){
        .header = (struct enl_ring_header *)ring,
        .base = ring + ENL_PAGE_SIZE,
        .size = len - ENL_PAGE_SIZE,
    };
}

static void
end_open(struct kernel *k, const struct enl_vmbus_open *m)
{
    struct kernel_end *end = &k->ends[m->relid % KERNEL_RELIDS];
    uint32_t send_len = m->downstream_offset * ENL_PAGE_SIZE, i = 0;
    struct enl_ring_view in, out;
    uint8_t *ring;

    while (i < KERNEL_GPADLS && k->gpadls[i].handle != m->ring_gpadl)
        i++;
    if (m->relid >= KERNEL_RELIDS || i == KERNEL_GPADLS)
        return;
    ring = k->gpadls[i].base;
    /* A guest that heard of the channel's end before this host read its posts has it back. */
    if (!kernel_memory_is(k, ring, k->gpadls[i].len))
        return;
    in = view_of(ring, send_len);
    out = view_of(ring + send_len, k->gpadls[i].len - send_len);
    RIG_CHECK(enl_ring_consumer_init(&end->from_guest, &in, true) == 0);
    RIG_CHECK(enl_ring_producer_init(&end->to_guest, &out, true) == 0);
    end->ring = ring;
}

union answer {
    struct enl_vmbus_header head;
    struct enl_vmbus_version_response version;
    struct enl_vmbus_gpadl_created created;
    struct enl_vmbus_open_result opened;
    struct enl_vmbus_gpadl_torndown torndown;
    struct enl_vmbus_modify_channel_response moved;
    uint8_t bytes[24];
};

/* What an honest host says to a post; type 0: nothing. */
static void
answer_make(struct kernel *k, const void *post, union answer *a)
{
    const struct enl_vmbus_gpadl_header *gpadl = post;
    const struct enl_vmbus_open *open = post;
    const struct enl_vmbus_gpadl_teardown *teardown = post;

    memset(a, 0, sizeof(*a));
    switch (open->head.type) {
    case ENL_VMBUS_INITIATE_CONTACT:
        a->head.type = ENL_VMBUS_VERSION_RESPONSE;
        a->version.supported = 1;
        a->version.version_or_connection_id = 4;
        break;
    case ENL_VMBUS_REQUEST_OFFERS:
        a->head.type = ENL_VMBUS_ALL_OFFERS_DELIVERED;
        break;
    case ENL_VMBUS_GPADL_HEADER:
        gpadl_keep(k, gpadl);
        a->head.type = ENL_VMBUS_GPADL_CREATED;
        a->created.relid = gpadl->relid;
        a->created.gpadl = gpadl->gpadl;
        break;
    case ENL_VMBUS_OPEN_CHANNEL:
        end_open(k, open);
        a->head.type = ENL_VMBUS_OPEN_RESULT;
        a->opened.relid = a->opened.open_id = open->relid;
        break;
    case ENL_VMBUS_GPADL_TEARDOWN:
        a->head.type = ENL_VMBUS_GPADL_TORNDOWN;
        a->torndown.gpadl = teardown->gpadl;
        break;
    case ENL_VMBUS_MODIFY_CHANNEL:
        a->head.type = ENL_VMBUS_MODIFY_CHANNEL_RESPONSE;
        a->moved.relid = open->relid;
        break;
    case ENL_VMBUS_UNLOAD:
        a->head.type = ENL_VMBUS_UNLOAD_RESPONSE;
        break;
    default:
        break;
    }
}

static bool
answer_next(struct kernel *k, union answer *a)
{
    uint32_t at = k->post_first;

    if (k->post_count == 0)
        return false;
    k->post_first = (at + 1) % KERNEL_POSTS;
    k->post_count--;
    answer_make(k, k->posts[at], a);
    return true;
}

bool
kernel_answer(struct kernel *k)
{
    union answer a;

    if (!answer_next(k, &a))
        return false;
    if (a.head.type)
        kernel_say(k, &a, sizeof(a));
    return true;
}

bool
kernel_answer_nearly(struct kernel *k)
{
    union answer a;

    if (!answer_next(k, &a))
        return false;
    a.bytes[rig_below(&k->in, sizeof(a))] ^= rig_u8(&k->in);
    if (rig_below(&k->in, 2))
        a.bytes[rig_below(&k->in, sizeof(a))] ^= rig_u8(&k->in);
    kernel_say(k, &a, sizeof(a));
    return true;
}

void
kernel_settle(struct kernel *k)
{
    for (uint32_t i = 0; i < 256 && kernel_answer(k); i++)
        ;
}

void
kernel_connect(struct kernel *k, uint32_t version)
{
    k->config.max_version = version;
    kernel_start(k);
    RIG_CHECK(enlg_vmbus_connect(&k->bus) == 0);
    kernel_settle(k);
    RIG_CHECK(enlg_vmbus_state(&k->bus) == ENLG_VMBUS_CONNECTED);
}

/* ---- the host's packets ---- */

struct kernel_end *
kernel_end_of(struct kernel *k, uint32_t relid)
{
    return relid < KERNEL_RELIDS && k->ends[relid].ring ? &k->ends[relid] : NULL;
}

void
kernel_put(struct kernel_end *end, uint16_t type, uint64_t id, const void *data,
           uint32_t len)
{
    struct enl_ring_piece piece = {data, len};

    if (enl_ring_put(&end->to_guest, type, 0, id, &piece, len ? 1 : 0, 0) == 0)
        (void)enl_ring_publish(&end->to_guest);
}

void
kernel_put_any(struct kernel *k, struct kernel_end *end)
{
    uint8_t body[1024], kind = rig_u8(&k->in);
    uint32_t len = kind & 1 ? rig_u16(&k->in) % sizeof(body) : rig_below(&k->in, 80);
    struct enl_ring_piece piece = {body, len};
    uint32_t extra = kind & 2 ? len & 0x18 : 0;

    memset(body, 0, sizeof(body));
    rig_bytes(&k->in, body, len < 64 ? len : 64);
    if (enl_ring_put(&end->to_guest, kind >> 4, kind >> 2 & 1, rig_u32(&k->in), &piece, 1,
                     extra) == 0)
        (void)enl_ring_publish(&end->to_guest);
}
