/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/crash.c - the report of a crash
 *
 * Run by a kernel that is about to end. What the host takes is asked first: a bit that it
 * does not know must not be written. [TLFS guest crash enlightenment]
 * Tests: test/unit/guest_state.c, test/loop/core.c.
 */
#include "enlight/guest/crash.h"
#include "guest/core/core.h"

uint64_t
enlg_crash_supported(const struct enlg_partition *partition)
{
    uint64_t value = 0;

    if (!has_features(partition, ENL_FEAT_CRASH) ||
        reg_get(partition, ENL_REG_CRASH_CTL, &value) != 0 ||
        !(value & ENL_CRASH_CTL_NOTIFY))
        return 0;
    return value & (ENL_CRASH_CTL_NOTIFY | ENL_CRASH_CTL_MESSAGE);
}

static bool
text_is_good(const struct enlg_crash *crash)
{
    return crash->text_len <= ENLG_CRASH_TEXT_MAX &&
           ((uintptr_t)crash->text & ENL_PAGE_MASK) + crash->text_len <= ENL_PAGE_SIZE;
}

int
enlg_crash_report(const struct enlg_partition *partition, const struct enlg_crash *crash)
{
    uint64_t control = enlg_crash_supported(partition);
    uint64_t param[ENL_CRASH_PARAMS];
    int rc = 0;

    if (control == 0)
        return -ENL_E_NOTSUP;
    memcpy(param, crash->param, sizeof(param));
    if (!crash->text || crash->text_len == 0) {
        control &= ~ENL_CRASH_CTL_MESSAGE;
    } else if (!text_is_good(crash)) {
        return -ENL_E_INVAL;
    } else if (control & ENL_CRASH_CTL_MESSAGE) {
        param[3] = gpa_of(partition, crash->text);
        param[4] = crash->text_len;
    }
    for (uint32_t i = 0; i < ENL_CRASH_PARAMS && !rc; i++)
        rc = reg_set(partition, ENL_REG_CRASH_P0 + i, param[i]);
    if (!rc)
        rc = reg_set(partition, ENL_REG_CRASH_CTL, control);
    return rc ? rc : (control & ENL_CRASH_CTL_MESSAGE) != 0;
}
