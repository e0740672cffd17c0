/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/fake_partition.h - an embedder with no hypervisor under it
 *
 * RAM is malloc'd, time is a number that the test sets, and what the core asks for
 * (interrupts, kicks, deadlines, forwarded registers, events) is written down. Locks are
 * real mutexes, and every callback aborts the test when a lock is held: the core promises
 * that none is.
 *
 *   struct fake f;
 *   fake_init(&f);              // config and ops may be changed now
 *   fake_start(&f);             // creates the partition, adds the RAM
 *   ...
 *   fake_fini(&f);              // destroys it; aborts when memory or a lock leaked
 */
#ifndef TEST_UNIT_FAKE_PARTITION_H
#define TEST_UNIT_FAKE_PARTITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"
#include "enlight/host/memory.h"
#include "enlight/host/partition.h"
#include "enlight/host/vp.h"

#define FAKE_RAM_LEN  (4u << 20) /* region 0, at GPA 0 */
#define FAKE_HIGH_GPA 0x100000000ull
#define FAKE_HIGH_LEN (1u << 20) /* region 1 */
#define FAKE_RECORDS  4096u      /* of each kind; more abort the test */
#define FAKE_VPS      2048u

/* Where the helpers below put things; a test may use any other page. */
#define FAKE_SIMP_GPA(vp)  (0x100000ull + (vp)*0x2000ull)
#define FAKE_SIEFP_GPA(vp) (0x101000ull + (vp)*0x2000ull)
#define FAKE_INPUT_GPA     0x80000ull
#define FAKE_VECTOR        0xf3u

#define FAKE_OS_ID   0x8100060100000000ull
#define FAKE_NO_SINT 0xffu

/* ops->interrupt() (sint is FAKE_NO_SINT) or ops->raise_sint() (vector is 0). */
struct fake_interrupt {
    uint32_t vp;
    uint8_t vector;
    uint8_t sint;
    bool auto_eoi;
};

struct fake_forward {
    uint32_t vp;
    uint32_t reg;
    uint64_t value;
};

struct fake_flush {
    uint32_t vp;
    uint64_t mask[FAKE_VPS / 64];
    uint32_t word_count;
};

struct fake {
    struct enlh_config config; /* change before fake_start() */
    struct enlh_ops ops;       /* change before fake_start() */
    struct enlh_partition *partition;
    uint8_t *ram;
    uint8_t *high;

    uint64_t now_100ns; /* what time_100ns() answers */
    bool tsc_stable;    /* tsc_page() answers tsc, else -ENL_E_NOTSUP */
    struct enlh_tsc_page tsc;
    uint64_t runtime_100ns;  /* what vp_runtime_100ns() answers, plus the VP's number */
    int forward_result;      /* what forward_reg() answers */
    int32_t alloc_countdown; /* this many allocations work, then none; -1: all work */

    pthread_mutex_t records;
    struct fake_interrupt interrupt[FAKE_RECORDS];
    uint32_t interrupt_count;
    struct fake_forward forward[FAKE_RECORDS];
    uint32_t forward_count;
    struct fake_flush flush; /* the last one */
    uint32_t flush_count;
    uint64_t deadline_100ns[FAKE_VPS]; /* the last timer_arm(); UINT64_MAX: none */
    uint32_t arm_count;
    uint32_t kick_count[FAKE_VPS];
    uint32_t reset_count;
    uint32_t crash_count;
    struct enlh_event crash; /* the last one; its text is crash_text */
    char crash_text[4096];
    uint32_t log_count;
    char log_last[256];
    uint32_t bug_count;

    uint64_t alloc_bytes; /* owned by the library now */
    uint32_t lock_count;  /* alive now */
};

/* One VP, preset "max" (less what needs numbers of a real host), the user engine's ops. */
void fake_init(struct fake *f);
/* As the kernel engine: a hypervisor below owns SINTs and timers. Before fake_start(). */
void fake_use_below(struct fake *f);
/* Create the partition and add both regions. Fails the test if that does not work. */
void fake_start(struct fake *f);
/* fake_init(), vp_count, fake_start(), GUEST_OS_ID set: the usual beginning. */
void fake_boot(struct fake *f, uint32_t vp_count);
void fake_fini(struct fake *f);

struct enlh_vp *fake_vp(struct fake *f, uint32_t vp);
/* Guest memory at gpa; fails the test when it is outside RAM. */
void *fake_at(struct fake *f, uint64_t gpa, uint64_t len);
/* Forget what was written down. */
void fake_forget(struct fake *f);

/* Registers that must work: the test fails when they do not. */
void fake_set(struct fake *f, uint32_t vp, uint32_t reg, uint64_t value);
uint64_t fake_get(struct fake *f, uint32_t vp, uint32_t reg);

/*
 * Turn a VP's SynIC on with the pages above and one unmasked SINT of FAKE_VECTOR, the way
 * that the engine has it (registers, or enlh_vp_synic_changed()).
 */
void fake_synic_on(struct fake *f, uint32_t vp, uint32_t sint);
void fake_synic_off(struct fake *f, uint32_t vp);

/*
 * The guest's interrupt handler: take the message out of a SINT's slot, free it, and write
 * EOM (or let the hypervisor below report it) when more wait. Returns false when the slot
 * is empty. The VP is entered before and after.
 */
bool fake_take_message(struct fake *f, uint32_t vp, uint32_t sint,
                       struct enl_message *out);
/* The guest's test-and-clear of an event flag. */
bool fake_take_event(struct fake *f, uint32_t vp, uint32_t sint, uint32_t flag);

/* The slot of a SINT, in guest memory. */
struct enl_message *fake_slot(struct fake *f, uint32_t vp, uint32_t sint);

/* A hypercall; xmm may be NULL. Returns the whole result word. */
uint64_t fake_hypercall(struct fake *f, uint32_t vp, uint64_t control, uint64_t input,
                        uint64_t output);
/* HvCallPostMessage from memory. Returns the status. */
uint16_t fake_post(struct fake *f, uint32_t vp, uint32_t connection_id, uint32_t type,
                   const void *payload, uint32_t len);
/* HvCallSignalEvent in registers. Returns the status. */
uint16_t fake_signal(struct fake *f, uint32_t vp, uint32_t connection_id, uint16_t flag);

/* Set the time; when a VP's deadline has come, call enlh_vp_timer() and enter it. */
void fake_time(struct fake *f, uint64_t now_100ns);

#endif
