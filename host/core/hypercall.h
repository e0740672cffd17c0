/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/hypercall.h - the hypercall page, and the way of a call to its room */
#ifndef HOST_CORE_HYPERCALL_H
#define HOST_CORE_HYPERCALL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/core/overlay.h"

struct enlh_hypercall;

#define ENLH_HYPERCALL_FORMS    2u /* of the page's code: 64-bit and 32-bit on x86 */
#define ENLH_HYPERCALL_CODE_LEN 64u

struct enlh_hypercall_code {
    uint8_t byte[ENLH_HYPERCALL_CODE_LEN];
    uint32_t len;
};

struct enlh_hypercall_page {
    _Atomic uint64_t guest_os_id;
    struct enlh_overlay page;                              /* HYPERCALL */
    struct enlh_hypercall_code code[ENLH_HYPERCALL_FORMS]; /* constant while VPs run */
};

/* A call on its way: everything in it is a private copy. */
struct enlh_call {
    const uint64_t *input;  /* the header, variable part and all */
    uint32_t varhead_count; /* 8-byte words behind the fixed header */
    const uint64_t *list;   /* the input elements, from the first on */
    uint32_t rep_start;
    uint32_t rep_count;
    uint32_t rep_done; /* handler: elements done, counted from the list's start */
    uint64_t *output;  /* handler: output_len bytes, zeroed */
};

#define ENLH_CALL_REP     0x1u /* has a list */
#define ENLH_CALL_VARHEAD 0x2u /* has a variable header */
#define ENLH_CALL_FAST    0x4u /* takes its input in two registers */
#define ENLH_CALL_XMM     0x8u /* ... or in eight */

/* One line of the dispatch table. Lengths in bytes, multiples of 8. */
struct enlh_call_info {
    uint16_t code;
    uint16_t flags;       /* ENLH_CALL_ */
    uint16_t input_len;   /* the fixed header */
    uint16_t element_len; /* of the list */
    uint16_t output_len;  /* 0: none */
    uint64_t needs;       /* features that must be announced: ENLH_F_BIT() */
    uint16_t (*run)(struct enlh_vp *vp, struct enlh_call *call); /* ENL_HV_STATUS_ */
};

/* The result word of a call. table: where to look the call code up. Thread: vp. */
uint64_t enlh_hypercall_dispatch(struct enlh_vp *vp, const struct enlh_hypercall *call,
                                 const struct enlh_call_info *table, uint32_t table_len);
/* The same with the table of all calls that are answered. */
uint64_t enlh_hypercall_run(struct enlh_vp *vp, const struct enlh_hypercall *call);

int enlh_hypercall_init(struct enlh_partition *partition);
void enlh_hypercall_reset(struct enlh_partition *partition);
void enlh_hypercall_fini(struct enlh_partition *partition);
int enlh_hypercall_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value);
int enlh_hypercall_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value);

/* Before the first VP runs: what the page holds for VPs of this form. */
void enlh_hypercall_set_code(struct enlh_partition *partition, uint32_t form,
                             const struct enlh_hypercall_code *code);

struct enlh_hypercall_state {
    uint64_t guest_os_id;
    struct enlh_overlay_state page;
};
void enlh_hypercall_save(struct enlh_partition *partition,
                         struct enlh_hypercall_state *out);
int enlh_hypercall_restore(struct enlh_partition *partition,
                           const struct enlh_hypercall_state *state);

#endif
