/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_rig.c - a platform with a hypervisor that does what the test says
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest_rig.h"

struct guest_rig rig;
struct enlg_synic rig_synic;
static _Alignas(4096) uint8_t pages[64][ENL_PAGE_SIZE];

void *
rig_page(uint32_t i)
{
    return pages[i];
}

static uint32_t
reg_slot(uint32_t reg)
{
    uint32_t i = 0;

    while (i < rig.reg_count && rig.regs[i].reg != reg)
        i++;
    if (i == rig.reg_count) {
        assert_true(rig.reg_count < RIG_REGS);
        rig.regs[rig.reg_count++].reg = reg;
    }
    return i;
}

uint64_t
rig_reg(uint32_t reg)
{
    return rig.regs[reg_slot(reg)].value;
}

void
rig_reg_set(uint32_t reg, uint64_t value)
{
    rig.regs[reg_slot(reg)].value = value;
}

uint32_t
rig_reg_writes(uint32_t reg)
{
    return rig.regs[reg_slot(reg)].writes;
}

uint32_t
rig_order(uint32_t reg)
{
    for (uint32_t i = 0; i < rig.write_count; i++) {
        if (rig.write_order[i] == reg)
            return i;
    }
    return UINT32_MAX;
}

static void
platform_cpuid(void *ctx, uint32_t leaf, struct enl_cpuid_leaf *out)
{
    (void)ctx;
    memset(out, 0, sizeof(*out));
    if (leaf == 1 && !rig.no_hypervisor)
        out->ecx = ENL_CPUID_1_ECX_HYPERVISOR;
    if (leaf >= ENL_CPUID_BASE && leaf < ENL_CPUID_BASE + 16)
        *out = rig.leaf[leaf - ENL_CPUID_BASE];
}

static int
platform_get_reg(void *ctx, uint32_t reg, uint64_t *value)
{
    (void)ctx;
    if (reg == rig.unread_reg && reg != 0)
        return -ENL_E_ACCESS;
    *value = rig_reg(reg);
    return 0;
}

static int
platform_set_reg(void *ctx, uint32_t reg, uint64_t value)
{
    uint32_t i = reg_slot(reg);

    (void)ctx;
    if (reg == rig.refuse_reg && reg != 0)
        return -ENL_E_ACCESS;
    rig.regs[i].writes++;
    if (rig.write_count < 256)
        rig.write_order[rig.write_count++] = reg;
    if (reg == rig.ignore_reg && reg != 0)
        return 0;
    rig.regs[i].value = value;
    if (reg == ENL_REG_EOM && rig.on_eom)
        rig.on_eom();
    return 0;
}

void *
rig_at(uint64_t gpa)
{
    return (void *)(uintptr_t)(gpa ^ RIG_GPA_FLIP);
}

static enl_gpa
platform_gpa(void *ctx, const void *address)
{
    (void)ctx;
    return (enl_gpa){(uint64_t)(uintptr_t)address ^ RIG_GPA_FLIP};
}

static struct rig_call *
call_note(const void *code, uint64_t control)
{
    struct rig_call *call = &rig.call[rig.call_count++ % RIG_CALLS];

    assert_ptr_equal(code, rig.code);
    memset(call, 0, sizeof(*call));
    call->control = control;
    return call;
}

static uint64_t
call_result(void)
{
    uint32_t n = rig.call_count - 1;

    if (rig.result_count == 0)
        return 0;
    return rig.result[n < rig.result_count ? n : rig.result_count - 1];
}

static uint64_t
platform_hypercall(void *ctx, const void *code, uint64_t control, uint64_t input,
                   uint64_t output)
{
    struct rig_call *call = call_note(code, control);

    (void)ctx;
    call->input = input;
    call->output = output;
    if (control == ENL_CALL_POST_MESSAGE)
        memcpy(call->data, rig_at(input), sizeof(call->data));
    return call_result();
}

static uint64_t
platform_hypercall_fast(void *ctx, const void *code, uint64_t control,
                        const uint64_t *input)
{
    (void)ctx;
    memcpy(call_note(code, control)->data, input, ENLG_FAST_WORDS * sizeof(*input));
    return call_result();
}

static uint64_t
platform_tsc(void *ctx)
{
    (void)ctx;
    if (rig.on_tsc)
        rig.on_tsc();
    return rig.tsc += rig.tsc_step;
}

static int
platform_map_exec(void *ctx, void *page, const void **code)
{
    (void)ctx;
    if (rig.map_fails)
        return -ENL_E_NOMEM;
    rig.mapped++;
    rig.enabled_when_mapped = (rig_reg(ENL_REG_HYPERCALL) & ENL_HYPERCALL_ENABLE) != 0;
    rig.code = (uint64_t *)((uint8_t *)page + 16); /* another view of the same page */
    *code = rig.code;
    return 0;
}

static void
platform_unmap_exec(void *ctx, const void *code)
{
    (void)ctx;
    assert_ptr_equal(code, rig.code);
    rig.mapped--;
}

static void *
platform_map_twice(void *ctx, void *data, size_t len)
{
    (void)ctx;
    return rig.map_twice ? rig.map_twice(data, len) : NULL;
}

static void
platform_unmap_twice(void *ctx, void *twice, size_t len)
{
    (void)ctx;
    rig.unmap_twice(twice, len);
}

static void
platform_pause(void *ctx, uint32_t attempt)
{
    (void)ctx;
    rig.pauses++;
    assert_int_equal(attempt, rig.pauses);
}

int
rig_setup(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof(rig));
    memset(pages, 0, sizeof(pages));
    rig.platform = (struct enlg_platform){
        .size = sizeof(rig.platform),
        .cpuid = platform_cpuid,
        .get_reg = platform_get_reg,
        .set_reg = platform_set_reg,
        .hypercall = platform_hypercall,
        .tsc = platform_tsc,
        .gpa = platform_gpa,
        .map_exec = platform_map_exec,
        .unmap_exec = platform_unmap_exec,
        .map_twice = platform_map_twice,
        .unmap_twice = platform_unmap_twice,
        .pause = platform_pause,
        .hypercall_fast = platform_hypercall_fast,
    };
    rig.leaf[0] = (struct enl_cpuid_leaf){ENL_CPUID_ISOLATION, ENL_VENDOR_EBX,
                                          ENL_VENDOR_ECX, ENL_VENDOR_EDX};
    rig.leaf[1].eax = ENL_INTERFACE_SIGNATURE;
    rig.leaf[2] = (struct enl_cpuid_leaf){20348, 10 << 16 | 5, 0, 0};
    rig.leaf[3] = (struct enl_cpuid_leaf){0x2FFF, 0x30, 0x20,
                                          ENL_FEAT_DIRECT_STIMER | ENL_FEAT_SINT_POLLING};
    rig.leaf[4] = (struct enl_cpuid_leaf){0x220, 0xFFF, 46, 0};
    rig.leaf[5].eax = 240;
    return 0;
}

void
rig_again(void)
{
    assert_int_equal(enlg_partition_init(&rig.partition, &rig.platform), 0);
    assert_int_equal(enlg_hypercall_enable(&rig.partition, rig_page(63), RIG_OS_ID), 0);
}

int
rig_setup_calls(void **state)
{
    rig_setup(state);
    rig_again();
    return 0;
}

void
rig_forget(void)
{
    rig.call_count = 0;
    rig.result_count = 0;
    rig.pauses = 0;
}

/* ---- SynIC ---- */

struct enl_message *
rig_slot(uint32_t sint)
{
    return &((struct enl_message_page *)rig_page(60))->slot[sint];
}

struct enl_event_flags *
rig_flags(uint32_t sint)
{
    return &((struct enl_event_page *)rig_page(61))->sint[sint];
}

void
rig_synic_up(void)
{
    struct enlg_synic_pages p = {rig_page(60), rig_page(61)};

    rig_reg_set(ENL_REG_VP_INDEX, 3);
    assert_int_equal(enlg_synic_enable(&rig_synic, &rig.partition, &p), 0);
    assert_int_equal(enlg_synic_unmask(&rig_synic, ENL_SINT_VMBUS, 0xf3, 0, NULL), 0);
}

void
rig_deliver(const void *message, uint32_t len)
{
    struct enl_message *slot = rig_slot(ENL_SINT_VMBUS);

    assert_int_equal(slot->type, ENL_MESSAGE_NONE);
    memset(slot->payload, 0xCC, sizeof(slot->payload));
    memcpy(slot->payload, message, len);
    slot->payload_len = (uint8_t)len;
    slot->type = ENL_MESSAGE_VMBUS;
}

const void *
rig_posted(uint32_t i, uint32_t *len, uint32_t *connection_id)
{
    const struct enl_hv_post_message *post;

    assert_true(i < rig.call_count);
    assert_int_equal(rig.call[i].control, ENL_CALL_POST_MESSAGE);
    assert_int_equal(rig.call[i].output, 0);
    post = (const void *)rig.call[i].data;
    assert_int_equal(post->message_type, ENL_MESSAGE_VMBUS);
    assert_int_equal(post->reserved, 0);
    if (len)
        *len = post->payload_len;
    if (connection_id)
        *connection_id = post->connection_id;
    return post->payload;
}
