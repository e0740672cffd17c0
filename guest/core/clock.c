/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/clock.c - the reference time, from the TSC page or from its register
 *
 * Run by the kernel on any processor. The hypervisor rewrites the page at any moment and
 * says so by its sequence number. A page that never holds still must not hold the reader:
 * after some tries the register answers. [TLFS timers]
 * Tests: test/unit/guest_synic.c, test/loop/contact.c.
 */
#include "enlight/guest/clock.h"
#include "enlight/abi/synic.h"
#include "guest/core/core.h"

#define PAGE_TRIES 16

struct clock {
    const struct enlg_partition *partition;
    struct enl_reference_tsc_page *page;
};
ENLG_FITS(struct clock, struct enlg_clock);

static const struct clock *
clock_in(const struct enlg_clock *clock)
{
    return (const struct clock *)clock;
}

int
enlg_clock_init(struct enlg_clock *out, const struct enlg_partition *partition,
                void *page)
{
    struct clock *clock = (struct clock *)out;
    bool want = page && platform_of(partition)->tsc &&
                enlg_partition_has(partition, ENL_PRIV_REFERENCE_TSC);
    int rc = 0;

    if (page && !ENLG_PAGE_ALIGNED(page))
        return -ENL_E_INVAL;
    if (!enlg_partition_has(partition, ENL_PRIV_TIME_REF_COUNT))
        return -ENL_E_ACCESS;
    memset(out, 0, sizeof(*out));
    clock->partition = partition;
    if (want) {
        memset(page, 0, ENL_PAGE_SIZE);
        rc = reg_set(partition, ENL_REG_REFERENCE_TSC,
                     gpa_of(partition, page) | ENL_REFERENCE_TSC_ENABLE);
        if (!rc)
            clock->page = page;
    }
    return rc;
}

void
enlg_clock_fini(struct enlg_clock *out)
{
    struct clock *clock = (struct clock *)out;

    if (clock->page)
        (void)reg_set(clock->partition, ENL_REG_REFERENCE_TSC, 0);
    clock->page = NULL;
}

/* The upper half of a product of 128 bits. */
static uint64_t
mul_high(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    return (uint64_t)((unsigned __int128)a * b >> 64);
#else
    uint64_t a_low = (uint32_t)a, a_high = a >> 32;
    uint64_t b_low = (uint32_t)b, b_high = b >> 32;
    uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
    uint64_t middle2 = a_low * b_high + (uint32_t)middle;

    return a_high * b_high + (middle >> 32) + (middle2 >> 32);
#endif
}

/* A word that the sequence guards. In two halves where one load cannot have it whole. */
static uint64_t
page_word(const void *word)
{
#if UINTPTR_MAX > UINT32_MAX
    return __atomic_load_n((const uint64_t *)word, __ATOMIC_RELAXED);
#else
    const uint32_t *half = word;

    return (uint64_t)__atomic_load_n(&half[1], __ATOMIC_RELAXED) << 32 |
           __atomic_load_n(&half[0], __ATOMIC_RELAXED);
#endif
}

static bool
page_read(const struct clock *clock, uint64_t *time)
{
    const struct enl_reference_tsc_page *page = clock->page;
    const struct enlg_platform *p = platform_of(clock->partition);

    for (int i = 0; i < PAGE_TRIES; i++) {
        uint32_t sequence = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
        uint64_t scale = page_word(&page->scale);
        uint64_t offset = page_word(&page->offset);
        uint64_t tsc;

        if (sequence == ENL_TSC_SEQUENCE_INVALID)
            return false;
        tsc = p->tsc(p->ctx);
        /* Both values before the second look at the sequence, which guards them. */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&page->sequence, __ATOMIC_RELAXED) != sequence)
            continue;
        *time = mul_high(tsc, scale) + offset;
        return true;
    }
    return false;
}

uint64_t
enlg_clock_read(const struct enlg_clock *in)
{
    const struct clock *clock = clock_in(in);
    uint64_t time = 0;

    if (clock->page && page_read(clock, &time))
        return time;
    (void)reg_get(clock->partition, ENL_REG_TIME_REF_COUNT, &time);
    return time;
}

bool
enlg_clock_is_fast(const struct enlg_clock *in)
{
    const struct clock *clock = clock_in(in);

    return clock->page && __atomic_load_n(&clock->page->sequence, __ATOMIC_RELAXED) !=
                              ENL_TSC_SEQUENCE_INVALID;
}

/* ---- rates ---- */

static int
rate_read(const struct enlg_partition *partition, uint32_t reg, uint64_t *hz)
{
    return hz ? reg_get(partition, reg, hz) : 0;
}

int
enlg_clock_frequencies(const struct enlg_partition *partition, uint64_t *tsc_hz,
                       uint64_t *apic_hz)
{
    int rc;

    if (!enlg_partition_has(partition, ENL_PRIV_FREQUENCY) ||
        !has_features(partition, ENL_FEAT_FREQUENCY))
        return -ENL_E_NOTSUP;
    rc = rate_read(partition, ENL_REG_TSC_FREQUENCY, tsc_hz);
    return rc ? rc : rate_read(partition, ENL_REG_APIC_FREQUENCY, apic_hz);
}

int
enlg_clock_set_invariant(const struct enlg_partition *partition)
{
    uint64_t value = 0;
    int rc;

    if (!enlg_partition_has(partition, ENL_PRIV_TSC_INVARIANT))
        return -ENL_E_NOTSUP;
    rc = reg_set(partition, ENL_REG_TSC_INVARIANT_CONTROL, ENL_TSC_INVARIANT_EXPOSE);
    if (!rc)
        rc = reg_get(partition, ENL_REG_TSC_INVARIANT_CONTROL, &value);
    if (rc)
        return rc;
    return value & ENL_TSC_INVARIANT_EXPOSE ? 0 : -ENL_E_IO;
}
