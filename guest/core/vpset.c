/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/vpset.c - sets of VPs on their way into a hypercall
 *
 * Run by the rooms whose calls reach many VPs. Nothing here comes from a host. Words that
 * are zero are no banks: a set of few VPs stays short however high their indices are.
 * [TLFS HV_VP_SET]
 * Tests: test/unit/guest_calls.c, test/loop/core.c.
 */
#include "guest/core/vpset.h"

enum vpset_form
enlg_vpset_form(const struct enlg_vpset *set)
{
    enum vpset_form form = VPSET_EMPTY;

    if (!set->word)
        return VPSET_ALL;
    for (uint32_t i = 0; i < set->word_count; i++) {
        if (set->word[i] != 0)
            form = i == 0 ? VPSET_MASK : VPSET_SPARSE;
    }
    return form;
}

uint32_t
enlg_vpset_write(const struct enlg_vpset *set, struct enl_hv_vp_set *out)
{
    uint64_t *bank = (uint64_t *)(out + 1);
    uint32_t count = 0;

    out->format = set->word ? ENL_VP_SET_SPARSE : ENL_VP_SET_ALL;
    out->bank_mask = 0;
    for (uint32_t i = 0; set->word && i < set->word_count; i++) {
        if (set->word[i] == 0)
            continue;
        out->bank_mask |= UINT64_C(1) << i;
        bank[count++] = set->word[i];
    }
    return 8 * count;
}
