/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/feature.h - what each feature announces */
#ifndef HOST_CORE_FEATURE_H
#define HOST_CORE_FEATURE_H

#include "enlight/host/feature.h"

/* The words of a feature set: [TLFS 2.4.4, 2.4.5] on x86. */
struct enlh_feature_bits {
    uint64_t privileges; /* ENL_PRIV_ */
    uint32_t misc;       /* ENL_FEAT_, EDX of leaf 0x40000003 */
    uint32_t hints;      /* ENL_HINT_ */
};

/* The sum over all features that are on. */
struct enlh_feature_bits enlh_feature_bits(const struct enlh_features *features);

static inline bool
enlh_feature_on(const struct enlh_features *features, enum enlh_feature feature)
{
    return (features->set & ENLH_F_BIT(feature)) != 0;
}

#endif
