/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/hypercall.c - the hypercall page and the forms of a call
 *
 * Run by the kernel and by the other rooms of the guest half. The hypervisor answers with
 * a result word: its status is translated here and nowhere else, its count of repetitions
 * is checked before it moves a list forward. The page is enabled before it is mapped
 * executable, so that nothing but the hypervisor's code is ever executable.
 * [TLFS hypercall interface]
 * Tests: test/unit/guest_core.c.
 */
#include "guest/core/core.h"

#define REP_MAX     (ENL_HCALL_REP_COUNT >> ENL_HCALL_REP_COUNT_SHIFT)
#define VARHEAD_MAX ((ENL_HCALL_VARHEAD >> ENL_HCALL_VARHEAD_SHIFT) * 8)

static int
page_hand_over(struct enlg_partition *partition, void *page)
{
    uint64_t want = gpa_of(partition, page) | ENL_HYPERCALL_ENABLE;
    uint64_t value = 0;
    int rc = reg_get(partition, ENL_REG_HYPERCALL, &value);

    if (rc)
        return rc;
    if (value & ENL_HYPERCALL_LOCKED)
        return -ENL_E_BUSY;
    rc = reg_set(partition, ENL_REG_HYPERCALL, want);
    if (rc)
        return rc;
    rc = reg_get(partition, ENL_REG_HYPERCALL, &value);
    if (!rc && (value & (ENL_HYPERCALL_GPA | ENL_HYPERCALL_ENABLE)) != want)
        rc = -ENL_E_IO;
    if (rc)
        (void)reg_set(partition, ENL_REG_HYPERCALL, 0);
    return rc;
}

static int
page_enable(struct part *part, struct enlg_partition *partition, void *page)
{
    const struct enlg_platform *p = &part->platform;
    const void *code = page;
    int rc;

    if (p->no_hypercall_page)
        return 0;
    rc = page_hand_over(partition, page);
    if (!rc && p->map_exec) {
        rc = p->map_exec(p->ctx, page, &code);
        if (rc)
            (void)reg_set(partition, ENL_REG_HYPERCALL, 0);
    }
    if (!rc)
        part->hypercall_code = code;
    return rc;
}

int
enlg_hypercall_enable(struct enlg_partition *partition, void *page, uint64_t guest_os_id)
{
    struct part *part = part_of(partition);
    int rc;

    if (guest_os_id == 0 || !ENLG_PAGE_ALIGNED(page) ||
        (!page && !part->platform.no_hypercall_page))
        return -ENL_E_INVAL;
    rc = reg_set(partition, ENL_REG_GUEST_OS_ID, guest_os_id);
    if (rc)
        return rc;
    rc = page_enable(part, partition, page);
    if (rc)
        (void)reg_set(partition, ENL_REG_GUEST_OS_ID, 0);
    part->calls = rc == 0;
    return rc;
}

void
enlg_hypercall_disable(struct enlg_partition *partition)
{
    struct part *part = part_of(partition);
    const struct enlg_platform *p = &part->platform;

    if (!part->calls)
        return;
    if (p->map_exec && p->unmap_exec && part->hypercall_code)
        p->unmap_exec(p->ctx, part->hypercall_code);
    hypercalls_end(partition);
}

int
enlg_hypercall_error(uint16_t status)
{
    switch (status) {
    case ENL_HV_STATUS_SUCCESS:
        return 0;
    case ENL_HV_STATUS_INSUFFICIENT_MEMORY:
    case ENL_HV_STATUS_INSUFFICIENT_BUFFERS:
    case ENL_HV_STATUS_NO_RESOURCES:
        return -ENL_E_AGAIN;
    case ENL_HV_STATUS_INVALID_CONNECTION_ID:
    case ENL_HV_STATUS_INVALID_PORT_ID:
    case ENL_HV_STATUS_INVALID_VP_INDEX:
    case ENL_HV_STATUS_INVALID_PARTITION_ID:
    case ENL_HV_STATUS_NOT_FOUND:
        return -ENL_E_NOENT;
    case ENL_HV_STATUS_ACCESS_DENIED:
    case ENL_HV_STATUS_OPERATION_DENIED:
        return -ENL_E_ACCESS;
    case ENL_HV_STATUS_INVALID_HYPERCALL_CODE:
    case ENL_HV_STATUS_FEATURE_UNAVAILABLE:
        return -ENL_E_NOTSUP;
    case ENL_HV_STATUS_INVALID_SYNIC_STATE:
    case ENL_HV_STATUS_INVALID_VP_STATE:
    case ENL_HV_STATUS_INVALID_PARTITION_STATE:
    case ENL_HV_STATUS_OBJECT_IN_USE:
        return -ENL_E_BUSY;
    case ENL_HV_STATUS_INVALID_HYPERCALL_INPUT:
    case ENL_HV_STATUS_INVALID_ALIGNMENT:
    case ENL_HV_STATUS_INVALID_PARAMETER:
        return -ENL_E_INVAL;
    case ENL_HV_STATUS_TIMEOUT:
        return -ENL_E_TIMEDOUT;
    default:
        return -ENL_E_IO;
    }
}

int
enlg_hypercall_fast8(const struct enlg_partition *partition, uint16_t code,
                     uint64_t input)
{
    return enlg_hypercall_fast16(partition, code, input, 0);
}

int
enlg_hypercall_fast16(const struct enlg_partition *partition, uint16_t code,
                      uint64_t input0, uint64_t input1)
{
    uint64_t result;

    if (!part_in(partition)->calls)
        return -ENL_E_INVAL;
    result = hypercall_raw(partition, code | ENL_HCALL_FAST, input0, input1);
    return enlg_hypercall_error((uint16_t)(result & ENL_HCALL_STATUS));
}

static bool
varhead_is_good(uint32_t varhead)
{
    return (varhead & 7) == 0 && varhead <= VARHEAD_MAX;
}

static uint64_t
control_of(uint16_t code, uint32_t varhead)
{
    return code | (uint64_t)(varhead / 8) << ENL_HCALL_VARHEAD_SHIFT;
}

int
enlg_hypercall_fast(const struct enlg_partition *partition, uint16_t code,
                    uint32_t varhead, const void *input, uint32_t len)
{
    const struct part *part = part_in(partition);
    const struct enlg_platform *p = &part->platform;
    uint64_t words[ENLG_FAST_WORDS] = {0};
    uint64_t result;

    if (!part->calls || len > ENLG_FAST_MAX || (len & 7) != 0 ||
        !varhead_is_good(varhead))
        return -ENL_E_INVAL;
    if (!p->hypercall_fast || !has_features(partition, ENL_FEAT_XMM_INPUT))
        return -ENL_E_NOTSUP;
    memcpy(words, input, len);
    result = p->hypercall_fast(p->ctx, part->hypercall_code,
                               control_of(code, varhead) | ENL_HCALL_FAST, words);
    return enlg_hypercall_error((uint16_t)(result & ENL_HCALL_STATUS));
}

/* An input or output that may be absent: its GPA, or 0. */
static uint64_t
operand_gpa(const struct enlg_partition *partition, const void *operand)
{
    return operand ? gpa_of(partition, operand) : 0;
}

static bool
operands_are_good(const struct enlg_partition *partition, const void *input,
                  const void *output, uint32_t varhead)
{
    return part_in(partition)->calls &&
           (((uintptr_t)input | (uintptr_t)output) & (ENL_HCALL_ALIGN - 1)) == 0 &&
           varhead_is_good(varhead);
}

int
enlg_hypercall_memory(const struct enlg_partition *partition, uint16_t code,
                      uint32_t varhead, const void *input, void *output)
{
    uint64_t control = control_of(code, varhead);
    uint64_t result;

    if (!operands_are_good(partition, input, output, varhead))
        return -ENL_E_INVAL;
    result = hypercall_raw(partition, control, operand_gpa(partition, input),
                           operand_gpa(partition, output));
    return enlg_hypercall_error((uint16_t)(result & ENL_HCALL_STATUS));
}

int
enlg_hypercall_rep(const struct enlg_partition *partition, struct enlg_rep *rep)
{
    uint64_t base, input, output;

    if (!operands_are_good(partition, rep->input, rep->output, rep->varhead) ||
        rep->count == 0 || rep->count > REP_MAX)
        return -ENL_E_INVAL;
    base = control_of(rep->code, rep->varhead) | (uint64_t)rep->count
                                                     << ENL_HCALL_REP_COUNT_SHIFT;
    input = operand_gpa(partition, rep->input);
    output = operand_gpa(partition, rep->output);
    while (rep->done < rep->count) {
        uint64_t start = (uint64_t)rep->done << ENL_HCALL_REP_START_SHIFT;
        uint64_t result = hypercall_raw(partition, base | start, input, output);
        uint16_t done =
            (uint16_t)((result & ENL_HCALL_REP_DONE) >> ENL_HCALL_REP_DONE_SHIFT);
        uint16_t status = (uint16_t)(result & ENL_HCALL_STATUS);

        /* A count that goes back, stands still or leaves the list must not be believed. */
        if (done > rep->count || done < rep->done ||
            (status == ENL_HV_STATUS_SUCCESS && done == rep->done))
            return -ENL_E_IO;
        rep->done = done;
        if (status != ENL_HV_STATUS_SUCCESS)
            return enlg_hypercall_error(status);
    }
    return 0;
}
