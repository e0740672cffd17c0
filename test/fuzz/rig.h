/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/fuzz/rig.h - what the fuzz targets stand on: bytes to decide by, and an embedder
 *
 * The input is a stream of decisions; when it is used up every decision is 0. The embedder
 * has little memory and one thread, and trusts nobody: it stops the process when the
 * library makes a callback with a lock held, frees what it did not get, asks for more
 * memory than a guest may make it hold, or leaves memory or a lock behind. Everything is
 * made anew for each input, so a run depends on its input alone.
 */
#ifndef TEST_FUZZ_RIG_H
#define TEST_FUZZ_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/host/memory.h"
#include "enlight/host/partition.h"
#include "enlight/host/vp.h"

#define RIG_RAM_LEN  0x40000u /* region 0, at 0 */
#define RIG_HIGH_GPA 0x100000000ull
#define RIG_HIGH_LEN 0x8000u /* region 1 */
#define RIG_VPS_MAX  130u
#define RIG_OS_ID    0x8100060100000000ull

/* A finding: the library broke a promise. */
#define RIG_CHECK(cond)                                                                  \
    do {                                                                                 \
        if (!(cond))                                                                     \
            rig_found(__FILE__, __LINE__, #cond);                                        \
    } while (0)
_Noreturn void rig_found(const char *file, int line, const char *what);

/* ---- the input ---- */

struct rig_input {
    const uint8_t *at;
    size_t left;
};

uint8_t rig_u8(struct rig_input *in);
uint16_t rig_u16(struct rig_input *in);
uint32_t rig_u32(struct rig_input *in);
uint64_t rig_u64(struct rig_input *in);
/* 0 to n - 1; n is 1 to 256. */
uint32_t rig_below(struct rig_input *in, uint32_t n);
void rig_bytes(struct rig_input *in, void *to, size_t len);
/* An address: mostly of a page in RAM or next to its edges, now and then any number. */
uint64_t rig_gpa(struct rig_input *in);

/* ---- the embedder ---- */

struct rig {
    struct rig_input in;
    struct enlh_config config; /* change before rig_start() */
    struct enlh_ops ops;       /* change before rig_start() */
    struct enlh_partition *partition;
    uint8_t *ram, *high;

    uint64_t now_100ns;
    uint64_t deadline_100ns[RIG_VPS_MAX];
    uint64_t interrupts, kicks, events, flushes;
    int forward_result;

    size_t alloc_bytes, alloc_max; /* owned by the library; more is a finding */
    uint32_t alloc_count;
    int32_t
        alloc_countdown; /* this many allocations work, then one fails; -1: all work */
    uint32_t lock_count, held;
};

/* Set the defaults: one VP, preset "max". */
void rig_init(struct rig *rig, const uint8_t *data, size_t size);
/* A hypervisor below owns SINTs and timers. Before rig_start(). */
void rig_use_below(struct rig *rig);
/* Create the partition and add the memory, all zeros. */
void rig_start(struct rig *rig);
/* Destroy it; checks that nothing is left. */
void rig_stop(struct rig *rig);

struct enlh_vp *rig_vp(struct rig *rig, uint32_t vp);
/* Guest memory that is there for sure. */
void *rig_at(struct rig *rig, uint64_t gpa, uint64_t len);
/* Let time pass; VPs whose deadline has come hear of it. */
void rig_pass(struct rig *rig, uint64_t ticks);

/* ---- the guest ---- */

/* A VP's SynIC with pages at rig_simp() and rig_siefp(), and this SINT unmasked. */
uint64_t rig_simp(uint32_t vp);
uint64_t rig_siefp(uint32_t vp);
void rig_synic_on(struct rig *rig, uint32_t vp, uint32_t sint);
/* Take the message out of a slot; false when there is none, or no page. */
struct enl_message;
bool rig_take(struct rig *rig, uint32_t vp, uint32_t sint, struct enl_message *out);
/* HvCallPostMessage and HvCallSignalEvent; return the status. */
uint16_t rig_post(struct rig *rig, uint32_t vp, uint32_t connection, uint32_t type,
                  const void *payload, uint32_t len);
uint16_t rig_signal(struct rig *rig, uint32_t vp, uint32_t connection, uint16_t flag);

#endif
