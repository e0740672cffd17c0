/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/memory.h - the RAM regions of a partition */
#ifndef HOST_CORE_MEMORY_H
#define HOST_CORE_MEMORY_H

#include "enlight/host/memory.h"

struct enlh_mem_region {
    uint64_t gpa;
    uint64_t len;
    uint8_t *host;
};

/* Written before the first VP runs, read without a lock after that. */
struct enlh_mem {
    struct enlh_mem_region region[ENLH_MEM_REGIONS];
    uint32_t count;
};

#endif
