/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/tlb.c - flushes of many processors' translations
 *
 * Run by the kernel's memory management, with its own arguments: nothing here comes from a
 * host but a status and a count, which hypercall.c checks. The input holds a header, for
 * the Ex forms the banks of the set, and the list. [TLFS HvCallFlushVirtualAddress...]
 *
 * Policy: the list's form with large pages is not used. KVM announces it, and reads its
 * entries as if they were of the other form: it would flush less than was asked. An entry
 * of the form used here covers 16 MiB.
 * Tests: test/unit/guest_calls.c, test/loop/core.c.
 */
#include "enlight/guest/tlb.h"
#include "guest/core/vpset.h"

#define RANGE_PAGES (ENL_FLUSH_RANGE_EXTRA + 1) /* that one entry covers */

/* An input under construction, and the call that it is for. */
struct tlb_call {
    uint64_t *list; /* in the input, behind header and banks */
    uint32_t space; /* entries that fit there */
    uint32_t varhead;
    uint16_t flush_code, list_code;
};

static uint64_t
flags_of(const struct enlg_tlb_flush *flush, enum vpset_form form)
{
    uint64_t flags = 0;

    if (form == VPSET_ALL)
        flags |= ENL_FLUSH_ALL_VPS;
    if (flush->flags & ENLG_TLB_ALL_SPACES)
        flags |= ENL_FLUSH_ALL_SPACES;
    if ((flush->flags & ENLG_TLB_NON_GLOBAL) && !flush->range)
        flags |= ENL_FLUSH_NON_GLOBAL_ONLY;
    return flags;
}

static void
header_write(struct tlb_call *call, uint8_t *input, const struct enlg_tlb_flush *flush,
             enum vpset_form form)
{
    struct enl_hv_flush *head = (struct enl_hv_flush *)input;
    struct enl_hv_flush_ex *ex = (struct enl_hv_flush_ex *)input;
    uint32_t len = sizeof(*head);

    head->address_space = flush->address_space;
    head->flags = flags_of(flush, form);
    if (form == VPSET_SPARSE) {
        call->varhead = enlg_vpset_write(&flush->vps, &ex->vp_set);
        len = (uint32_t)sizeof(*ex) + call->varhead;
    } else {
        head->vp_mask = form == VPSET_MASK ? flush->vps.word[0] : 0;
    }
    call->flush_code =
        form == VPSET_SPARSE ? ENL_CALL_FLUSH_SPACE_EX : ENL_CALL_FLUSH_SPACE;
    call->list_code = form == VPSET_SPARSE ? ENL_CALL_FLUSH_LIST_EX : ENL_CALL_FLUSH_LIST;
    call->list = (uint64_t *)(input + len);
    call->space = (ENL_PAGE_SIZE - len) / 8;
}

/* The entries of all ranges. Returns how many, or UINT32_MAX: more than fit. */
static uint32_t
list_write(const struct tlb_call *call, const struct enlg_tlb_flush *flush)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < flush->range_count; i++) {
        uint64_t va = flush->range[i].start & ENL_FLUSH_RANGE_VA;
        uint64_t left = flush->range[i].pages;

        for (; left != 0; count++) {
            uint64_t pages = left < RANGE_PAGES ? left : RANGE_PAGES;

            if (count == call->space)
                return UINT32_MAX;
            call->list[count] = va | (pages - 1);
            va += pages << ENL_PAGE_SHIFT;
            left -= pages;
        }
    }
    return count;
}

bool
enlg_tlb_is_offered(const struct enlg_partition *partition)
{
    return part_in(partition)->calls && has_hints(partition, ENL_HINT_REMOTE_FLUSH);
}

int
enlg_tlb_flush(const struct enlg_partition *partition, void *input,
               const struct enlg_tlb_flush *flush)
{
    enum vpset_form form;
    struct tlb_call call = {0};
    struct enlg_rep rep = {.input = input};
    uint32_t count = UINT32_MAX;

    if (!input || !ENLG_PAGE_ALIGNED(input) || flush->vps.word_count > ENLG_VPSET_WORDS)
        return -ENL_E_INVAL;
    form = enlg_vpset_form(&flush->vps);
    if (!enlg_tlb_is_offered(partition) ||
        (form == VPSET_SPARSE && !has_hints(partition, ENL_HINT_EX_PROCESSOR_MASKS)))
        return -ENL_E_NOTSUP;
    if (form == VPSET_EMPTY)
        return 0;
    header_write(&call, input, flush, form);
    if (flush->range)
        count = list_write(&call, flush);
    if (count == 0)
        return 0;
    if (count == UINT32_MAX)
        return enlg_hypercall_memory(partition, call.flush_code, call.varhead, input,
                                     NULL);
    rep.code = call.list_code;
    rep.varhead = call.varhead;
    rep.count = (uint16_t)count;
    return enlg_hypercall_rep(partition, &rep);
}
