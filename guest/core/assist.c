/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/assist.c - one processor's VP assist page, and the end of an interrupt
 *
 * Run by the kernel's interrupt handlers. Of the page, which the host writes at any
 * moment, one word is read, and only in the step that clears it. A host that lies about
 * it delays its own interrupts. [TLFS EOI assist]
 * Tests: test/unit/guest_state.c, test/loop/core.c.
 */
#include "enlight/guest/assist.h"
#include "enlight/abi/vp_assist.h"
#include "guest/core/core.h"

struct assist {
    const struct enlg_partition *partition;
    struct enl_vp_assist_page *page; /* NULL: not enabled */
    bool by_register;
};
ENLG_FITS(struct assist, struct enlg_assist);

int
enlg_assist_enable(struct enlg_assist *out, const struct enlg_partition *partition,
                   void *page)
{
    struct assist *assist = (struct assist *)out;
    int rc;

    memset(out, 0, sizeof(*out));
    if (!page || !ENLG_PAGE_ALIGNED(page))
        return -ENL_E_INVAL;
    if (!enlg_partition_has(partition, ENL_PRIV_APIC))
        return -ENL_E_ACCESS;
    memset(page, 0, ENL_PAGE_SIZE);
    rc = reg_set(partition, ENL_REG_VP_ASSIST_PAGE,
                 gpa_of(partition, page) | ENL_VP_ASSIST_ENABLE);
    if (rc)
        return rc;
    assist->partition = partition;
    assist->page = page;
    assist->by_register = has_hints(partition, ENL_HINT_APIC_MSRS);
    return 0;
}

void
enlg_assist_disable(struct enlg_assist *out)
{
    struct assist *assist = (struct assist *)out;

    if (assist->page)
        (void)reg_set(assist->partition, ENL_REG_VP_ASSIST_PAGE, 0);
    assist->page = NULL;
    assist->by_register = false;
}

bool
enlg_assist_eoi(struct enlg_assist *out)
{
    struct assist *assist = (struct assist *)out;
    uint32_t *word;

    if (!assist->page)
        return false;
    word = &assist->page->apic_assist;
    /*
     * Test and clear in one step: the hypervisor takes the bit back when another interrupt
     * needs the EOI of this one, and would not see an EOI skipped after that.
     */
    if (__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST) & ENL_APIC_ASSIST_NO_EOI)
        return true;
    return assist->by_register && reg_set(assist->partition, ENL_REG_EOI, 0) == 0;
}

void *
enlg_assist_page(const struct enlg_assist *assist)
{
    return ((const struct assist *)assist)->page;
}
