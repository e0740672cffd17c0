/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/clock.h - the partition's reference time, in 100 ns since it was created
 *
 * With a page and a TSC the time is computed without leaving the guest, as long as the
 * hypervisor keeps the page valid; else each read asks the hypervisor. [TLFS timers]
 */
#ifndef ENLIGHT_GUEST_CLOCK_H
#define ENLIGHT_GUEST_CLOCK_H

#include "enlight/guest/partition.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlg_clock {
    uint64_t opaque[4];
};

/*
 * Start the clock. page (optional): 4096 bytes, aligned, the hypervisor's until fini; it is
 * not used when the hypervisor does not offer that, or the platform has no tsc().
 * Returns 0, or -ENL_E_ACCESS (no reference time here), -ENL_E_INVAL. Thread: one.
 */
ENL_MUST_CHECK int enlg_clock_init(struct enlg_clock *clock,
                                   const struct enlg_partition *partition, void *page);
/* Take the page back. Thread: one, when nobody reads any more. */
void enlg_clock_fini(struct enlg_clock *clock);

/* The time in 100 ns. Thread: any processor; does not block. */
uint64_t enlg_clock_read(const struct enlg_clock *clock);

/* The page is valid at this moment: reads do not leave the guest. Thread: any. */
bool enlg_clock_is_fast(const struct enlg_clock *clock);

/*
 * How fast the TSC and the timer of the interrupt controller count, in Hz: nothing has to
 * be measured. Either may be NULL.
 * Returns 0, or -ENL_E_NOTSUP (not announced), -ENL_E_ACCESS. Thread: any.
 */
ENL_MUST_CHECK int enlg_clock_frequencies(const struct enlg_partition *partition,
                                          uint64_t *tsc_hz, uint64_t *apic_hz);

/*
 * Ask for the TSC to be announced as invariant (CPUID 0x80000007), which stays so until
 * the next reset: from then on it may be read directly, as a clock that never changes its
 * rate. Returns 0, or -ENL_E_NOTSUP (not announced), -ENL_E_IO (it was refused),
 * -ENL_E_ACCESS. Thread: one, before CPUID is read for it.
 */
ENL_MUST_CHECK int enlg_clock_set_invariant(const struct enlg_partition *partition);

#ifdef __cplusplus
}
#endif
#endif
