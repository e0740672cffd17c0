/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/core.h - what the rooms of the guest core share: the partition's members
 *
 * Public objects are opaque storage; each room casts them to its own struct, whose size
 * ENLG_FITS checks.
 */
#ifndef GUEST_CORE_CORE_H
#define GUEST_CORE_CORE_H

#include <string.h>

#include "enlight/abi/hypercall.h"
#include "enlight/abi/register.h"
#include "enlight/guest/hypercall.h"
#include "enlight/guest/partition.h"

#define ENLG_FITS(inner, outer)                                                          \
    ENL_STATIC_ASSERT(sizeof(inner) <= sizeof(outer) &&                                  \
                          _Alignof(inner) <= _Alignof(outer),                            \
                      #inner " fits " #outer)

/*
 * The full fence between a store that the host shall see and a load of what it wrote. The
 * thread sanitizer does not model it; it sees the release and acquire pairs around it.
 */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif
static inline void
full_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Of a 4 KiB page that is to be handed to the hypervisor. */
#define ENLG_PAGE_ALIGNED(p) (((uintptr_t)(p)&ENL_PAGE_MASK) == 0)

struct part {
    struct enlg_platform platform;
    struct enlg_features features;
    const void *hypercall_code; /* NULL: none, or none needed */
    bool calls;                 /* hypercalls can be made */
};
ENLG_FITS(struct part, struct enlg_partition);

static inline struct part *
part_of(struct enlg_partition *partition)
{
    return (struct part *)partition;
}

static inline const struct part *
part_in(const struct enlg_partition *partition)
{
    return (const struct part *)partition;
}

static inline const struct enlg_platform *
platform_of(const struct enlg_partition *partition)
{
    return &part_in(partition)->platform;
}

static inline int
reg_get(const struct enlg_partition *partition, uint32_t reg, uint64_t *value)
{
    const struct enlg_platform *p = platform_of(partition);

    return p->get_reg(p->ctx, reg, value);
}

static inline int
reg_set(const struct enlg_partition *partition, uint32_t reg, uint64_t value)
{
    const struct enlg_platform *p = platform_of(partition);

    return p->set_reg(p->ctx, reg, value);
}

static inline uint64_t
gpa_of(const struct enlg_partition *partition, const void *address)
{
    const struct enlg_platform *p = platform_of(partition);

    return p->gpa(p->ctx, address).v;
}

static inline void
log_line(const struct enlg_partition *partition, enum enlg_log_level level,
         const char *text)
{
    const struct enlg_platform *p = platform_of(partition);

    if (p->log)
        p->log(p->ctx, level, text);
}

/* All of these ENL_FEAT_* are announced. */
static inline bool
has_features(const struct enlg_partition *partition, uint32_t features)
{
    return (part_in(partition)->features.features & features) == features;
}

/* All of these ENL_HINT_* are given. */
static inline bool
has_hints(const struct enlg_partition *partition, uint32_t hints)
{
    return (part_in(partition)->features.hints & hints) == hints;
}

/* One hypercall; the result word. */
static inline uint64_t
hypercall_raw(const struct enlg_partition *partition, uint64_t control, uint64_t input,
              uint64_t output)
{
    const struct part *part = part_in(partition);

    return part->platform.hypercall(part->platform.ctx, part->hypercall_code, control,
                                    input, output);
}

/*
 * Give the hypercall page back and forget who we are. The page before the identity:
 * without one the hypervisor may ignore the page.
 */
static inline void
hypercalls_end(struct enlg_partition *partition)
{
    struct part *part = part_of(partition);

    part->calls = false;
    part->hypercall_code = NULL;
    if (!part->platform.no_hypercall_page)
        (void)reg_set(partition, ENL_REG_HYPERCALL, 0);
    (void)reg_set(partition, ENL_REG_GUEST_OS_ID, 0);
}

#endif
