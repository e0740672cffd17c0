/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An embedder for fuzzers: see rig.h. It is run by the library under test, and by the
 * target for what a guest does. It trusts neither: what the library may not do ends the
 * process, so that the fuzzer reports it.
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enlight/abi/hypercall.h"
#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"

/* Static, so that the sanitizer guards both ends; zeroed for each input. */
static _Alignas(4096) uint8_t rig_ram[RIG_RAM_LEN];
static _Alignas(4096) uint8_t rig_high[RIG_HIGH_LEN];

#define RIG_INPUT_GPA 0x3f000ull
#define RIG_VECTOR    0xf3u

void
rig_found(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: found: %s\n", file, line, what);
    abort();
}

/* ---- the input ---- */

void
rig_bytes(struct rig_input *in, void *to, size_t len)
{
    size_t have = len < in->left ? len : in->left;

    memset(to, 0, len);
    if (have == 0)
        return;
    memcpy(to, in->at, have);
    in->at += have;
    in->left -= have;
}

uint8_t
rig_u8(struct rig_input *in)
{
    uint8_t v;

    rig_bytes(in, &v, sizeof(v));
    return v;
}

uint16_t
rig_u16(struct rig_input *in)
{
    uint16_t v;

    rig_bytes(in, &v, sizeof(v));
    return v;
}

uint32_t
rig_u32(struct rig_input *in)
{
    uint32_t v;

    rig_bytes(in, &v, sizeof(v));
    return v;
}

uint64_t
rig_u64(struct rig_input *in)
{
    uint64_t v;

    rig_bytes(in, &v, sizeof(v));
    return v;
}

uint32_t
rig_below(struct rig_input *in, uint32_t n)
{
    return rig_u8(in) % n;
}

uint64_t
rig_gpa(struct rig_input *in)
{
    static const uint64_t special[] = {
        RIG_RAM_LEN - 8,   RIG_RAM_LEN,  RIG_HIGH_GPA + RIG_HIGH_LEN - 4096,
        RIG_HIGH_GPA - 8,  RIG_HIGH_GPA, RIG_HIGH_GPA + RIG_HIGH_LEN,
        UINT64_MAX - 4095, UINT64_MAX,
    };
    uint8_t kind = rig_u8(in);

    if (kind < 0xe0)
        return (uint64_t)(kind % (RIG_RAM_LEN / 4096)) * 4096;
    if (kind < 0xf0)
        return ((uint64_t)(kind % 64) * 4096) | rig_u16(in) % 4096;
    if (kind < 0xfc)
        return special[kind % 8];
    return rig_u64(in);
}

/* ---- callbacks ---- */

static struct rig *
rig_enter(void *ctx)
{
    struct rig *rig = ctx;

    RIG_CHECK(rig->held == 0);
    return rig;
}

struct rig_block {
    size_t len;
    uint64_t magic;
};
#define RIG_MAGIC 0x5ca1ab1e0ddba11ull

static void *
rig_alloc(void *ctx, size_t len)
{
    struct rig *rig = rig_enter(ctx);
    struct rig_block *block;

    RIG_CHECK(len != 0);
    if (rig->alloc_countdown >= 0 && rig->alloc_countdown-- == 0)
        return NULL;
    RIG_CHECK(len <= rig->alloc_max - rig->alloc_bytes);
    block = calloc(1, sizeof(*block) + len);
    RIG_CHECK(block != NULL);
    *block = (struct rig_block){.len = len, .magic = RIG_MAGIC};
    rig->alloc_bytes += len;
    rig->alloc_count++;
    return block + 1;
}

static void
rig_free(void *ctx, void *memory, size_t len)
{
    struct rig *rig = rig_enter(ctx);
    struct rig_block *block = memory;

    RIG_CHECK(memory != NULL);
    block--;
    RIG_CHECK(block->magic == RIG_MAGIC && block->len == len);
    rig->alloc_bytes -= len;
    rig->alloc_count--;
    free(block);
}

static void *
rig_lock_create(void *ctx)
{
    struct rig *rig = rig_enter(ctx);
    bool *lock;

    if (rig->alloc_countdown >= 0 && rig->alloc_countdown-- == 0)
        return NULL;
    lock = calloc(1, sizeof(*lock));
    RIG_CHECK(lock != NULL);
    rig->lock_count++;
    return lock;
}

static void
rig_lock_destroy(void *ctx, void *lock)
{
    struct rig *rig = rig_enter(ctx);

    RIG_CHECK(!*(bool *)lock);
    rig->lock_count--;
    free(lock);
}

static void
rig_lock(void *ctx, void *lock)
{
    struct rig *rig = ctx;

    RIG_CHECK(!*(bool *)lock);
    *(bool *)lock = true;
    rig->held++;
}

static void
rig_unlock(void *ctx, void *lock)
{
    struct rig *rig = ctx;

    RIG_CHECK(*(bool *)lock);
    *(bool *)lock = false;
    rig->held--;
}

static uint64_t
rig_time(void *ctx)
{
    return rig_enter(ctx)->now_100ns;
}

static int
rig_tsc_page(void *ctx, struct enlh_tsc_page *page)
{
    (void)rig_enter(ctx);
    *page = (struct enlh_tsc_page){.scale = 0x123456789abcdef0u, .offset = -77};
    return 0;
}

static uint64_t
rig_runtime(void *ctx, uint32_t vp)
{
    return rig_enter(ctx)->now_100ns / 2 + vp;
}

static void
rig_timer_arm(void *ctx, uint32_t vp, uint64_t deadline_100ns)
{
    struct rig *rig = rig_enter(ctx);

    RIG_CHECK(vp < rig->config.vp_count);
    rig->deadline_100ns[vp] = deadline_100ns;
}

static void
rig_kick(void *ctx, uint32_t vp)
{
    struct rig *rig = rig_enter(ctx);

    RIG_CHECK(vp < rig->config.vp_count);
    rig->kicks++;
}

static void
rig_interrupt(void *ctx, uint32_t vp, uint8_t vector, bool auto_eoi)
{
    struct rig *rig = rig_enter(ctx);
    (void)auto_eoi;

    RIG_CHECK(vp < rig->config.vp_count && vector >= ENL_SINT_VECTOR_MIN);
    rig->interrupts++;
}

static void
rig_raise_sint(void *ctx, uint32_t vp, uint32_t sint)
{
    struct rig *rig = rig_enter(ctx);

    RIG_CHECK(vp < rig->config.vp_count && sint < ENL_SINT_COUNT);
    rig->interrupts++;
}

static int
rig_forward_reg(void *ctx, uint32_t vp, uint32_t reg, uint64_t value)
{
    struct rig *rig = rig_enter(ctx);
    (void)reg;
    (void)value;

    RIG_CHECK(vp < rig->config.vp_count);
    return rig->forward_result;
}

static void
rig_flush_tlb(void *ctx, uint32_t vp, const uint64_t *mask, uint32_t word_count)
{
    struct rig *rig = rig_enter(ctx);

    RIG_CHECK(vp < rig->config.vp_count && word_count <= 32);
    for (uint32_t i = 0; i < word_count * 64; i++)
        RIG_CHECK((mask[i / 64] >> (i % 64) & 1) == 0 || i < rig->config.vp_count);
    rig->flushes++;
}

static void
rig_event(void *ctx, const struct enlh_event *event)
{
    struct rig *rig = rig_enter(ctx);
    volatile char last = 0;

    RIG_CHECK(event->vp < rig->config.vp_count);
    RIG_CHECK(event->kind == ENLH_EVENT_RESET || event->kind == ENLH_EVENT_CRASH);
    RIG_CHECK(event->text == NULL ? event->text_len == 0 : event->text_len <= 4096);
    for (size_t i = 0; i < event->text_len; i++)
        last = event->text[i];
    (void)last;
    rig->events++;
}

static void
rig_log(void *ctx, enum enlh_log_level level, const char *text)
{
    (void)rig_enter(ctx);
    (void)level;
    RIG_CHECK(strlen(text) < 256);
}

static void
rig_bug(void *ctx, const char *file, int line, const char *what)
{
    (void)ctx;
    rig_found(file, line, what);
}

static int
rig_apic_reg(void *ctx, uint32_t vp, uint32_t reg, bool write, uint64_t *value)
{
    struct rig *rig = rig_enter(ctx);
    (void)reg;

    RIG_CHECK(vp < rig->config.vp_count);
    if (!write)
        *value = 0x55;
    return 0;
}

/* ---- life ---- */

static const struct enlh_ops rig_ops = {
    .size = sizeof(rig_ops),
    .alloc = rig_alloc,
    .free = rig_free,
    .lock_create = rig_lock_create,
    .lock_destroy = rig_lock_destroy,
    .lock = rig_lock,
    .unlock = rig_unlock,
    .time_100ns = rig_time,
    .tsc_page = rig_tsc_page,
    .vp_runtime_100ns = rig_runtime,
    .timer_arm = rig_timer_arm,
    .kick = rig_kick,
    .interrupt = rig_interrupt,
    .flush_tlb = rig_flush_tlb,
    .event = rig_event,
    .log = rig_log,
    .bug = rig_bug,
    .apic_reg = rig_apic_reg,
};

void
rig_init(struct rig *rig, const uint8_t *data, size_t size)
{
    memset(rig, 0, sizeof(*rig));
    rig->in = (struct rig_input){.at = data, .left = size};
    enlh_config_defaults(&rig->config);
    RIG_CHECK(enlh_features_preset("max", &rig->config.features) == 0);
    rig->config.tsc_hz = 3000000000u;
    rig->config.apic_hz = 1000000000u;
    rig->ops = rig_ops;
    if (size % 2 == 0)
        rig->ops.log = NULL; /* which is slow, and optional */
    rig->now_100ns = 1000;
    rig->alloc_max = 32u << 20;
    rig->alloc_countdown = -1;
    for (uint32_t i = 0; i < RIG_VPS_MAX; i++)
        rig->deadline_100ns[i] = UINT64_MAX;
}

void
rig_use_below(struct rig *rig)
{
    rig->ops.raise_sint = rig_raise_sint;
    rig->ops.forward_reg = rig_forward_reg;
}

void
rig_start(struct rig *rig)
{
    rig->ram = rig_ram;
    rig->high = rig_high;
    memset(rig_ram, 0, sizeof(rig_ram));
    memset(rig_high, 0, sizeof(rig_high));
    RIG_CHECK(enlh_partition_create(&rig->config, &rig->ops, rig, &rig->partition) == 0);
    RIG_CHECK(enlh_mem_add(rig->partition, (enl_gpa){0}, rig_ram, RIG_RAM_LEN) == 0);
    RIG_CHECK(enlh_mem_add(rig->partition, (enl_gpa){RIG_HIGH_GPA}, rig_high,
                           RIG_HIGH_LEN) == 1);
}

void
rig_stop(struct rig *rig)
{
    rig->alloc_countdown = -1;
    enlh_partition_destroy(rig->partition);
    RIG_CHECK(rig->alloc_bytes == 0 && rig->alloc_count == 0);
    RIG_CHECK(rig->lock_count == 0 && rig->held == 0);
}

struct enlh_vp *
rig_vp(struct rig *rig, uint32_t vp)
{
    struct enlh_vp *p = enlh_partition_vp(rig->partition, vp);

    RIG_CHECK(p != NULL);
    return p;
}

void *
rig_at(struct rig *rig, uint64_t gpa, uint64_t len)
{
    void *at = enlh_mem_at(rig->partition, (enl_gpa){gpa}, len);

    RIG_CHECK(at != NULL);
    return at;
}

void
rig_pass(struct rig *rig, uint64_t ticks)
{
    rig->now_100ns += ticks;
    for (uint32_t i = 0; i < rig->config.vp_count; i++)
        if (rig->deadline_100ns[i] <= rig->now_100ns)
            enlh_vp_timer(rig_vp(rig, i));
}

/* ---- the guest ---- */

uint64_t
rig_simp(uint32_t vp)
{
    return 0x30000u + vp * 0x2000u;
}

uint64_t
rig_siefp(uint32_t vp)
{
    return rig_simp(vp) + 0x1000u;
}

static void
rig_set(struct rig *rig, uint32_t vp, uint32_t reg, uint64_t value)
{
    RIG_CHECK(enlh_vp_set_reg(rig_vp(rig, vp), reg, value) == 0);
}

void
rig_synic_on(struct rig *rig, uint32_t vp, uint32_t sint)
{
    rig_set(rig, vp, ENL_REG_SIMP, rig_simp(vp) | ENL_SIMP_ENABLE);
    rig_set(rig, vp, ENL_REG_SIEFP, rig_siefp(vp) | ENL_SIEFP_ENABLE);
    rig_set(rig, vp, ENL_REG_SINT0 + sint, RIG_VECTOR);
    rig_set(rig, vp, ENL_REG_SCONTROL, ENL_SCONTROL_ENABLE);
}

bool
rig_take(struct rig *rig, uint32_t vp, uint32_t sint, struct enl_message *out)
{
    struct enl_message_page *page = rig_at(rig, rig_simp(vp), ENL_PAGE_SIZE);
    struct enl_message *slot = &page->slot[sint];

    enlh_vp_enter(rig_vp(rig, vp));
    if (slot->type == ENL_MESSAGE_NONE)
        return false;
    *out = *slot;
    slot->type = ENL_MESSAGE_NONE;
    if (out->flags & ENL_MESSAGE_FLAG_PENDING)
        (void)enlh_vp_set_reg(rig_vp(rig, vp), ENL_REG_EOM, 0);
    enlh_vp_enter(rig_vp(rig, vp));
    return true;
}

uint16_t
rig_post(struct rig *rig, uint32_t vp, uint32_t connection, uint32_t type,
         const void *payload, uint32_t len)
{
    struct enl_hv_post_message *input = rig_at(rig, RIG_INPUT_GPA, sizeof(*input));
    struct enlh_hypercall call = {.control = ENL_CALL_POST_MESSAGE,
                                  .input = RIG_INPUT_GPA};

    memset(input, 0, sizeof(*input));
    input->connection_id = connection;
    input->message_type = type;
    input->payload_len = len;
    memcpy(input->payload, payload, len);
    return (uint16_t)enlh_vp_hypercall(rig_vp(rig, vp), &call);
}

uint16_t
rig_signal(struct rig *rig, uint32_t vp, uint32_t connection, uint16_t flag)
{
    struct enlh_hypercall call = {.control = ENL_HCALL_FAST | ENL_CALL_SIGNAL_EVENT,
                                  .input = connection | (uint64_t)flag << 32};

    return (uint16_t)enlh_vp_hypercall(rig_vp(rig, vp), &call);
}
