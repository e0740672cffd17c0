/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/platform.h - what a kernel does for the guest half
 *
 * The guest half has no operating system below it: it calls memcpy, memmove, memset and
 * memcmp, and the functions in struct enlg_platform. Storage for every object is the
 * caller's, in memory whose physical address gpa() knows, and nothing is allocated.
 * enlg_x64_platform() (enlight/guest/x86_64.h) and enlg_arm64_platform()
 * (enlight/guest/arm64.h) fill in the first group.
 */
#ifndef ENLIGHT_GUEST_PLATFORM_H
#define ENLIGHT_GUEST_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/abi/base.h"
#include "enlight/abi/cpuid.h"
#include "enlight/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum enlg_log_level {
    ENLG_LOG_ERROR, /* a device or the connection is given up */
    ENLG_LOG_WARN,  /* the host broke a rule, and that was survived; bounded */
    ENLG_LOG_INFO,  /* a state that a user cares for */
};

/*
 * ctx goes to every function. Functions marked (optional) may be NULL. All may be called
 * with interrupts off; none is called with a lock of the library held: it has none.
 */
struct enlg_platform {
    size_t size; /* sizeof(struct enlg_platform) as the caller compiled it */
    void *ctx;

    /* ---- the processor that runs this ---- */

    /*
     * The four words of a leaf (enlight/abi/cpuid.h). A processor without CPUID tells what
     * it knows from elsewhere in the same words and bits.
     */
    void (*cpuid)(void *ctx, uint32_t leaf, struct enl_cpuid_leaf *out);
    /*
     * Read or write a synthetic register of this processor, by its name ENL_REG_*
     * (enlight/abi/register.h). Returns 0, or -ENL_E_ACCESS: it faulted (a platform that
     * cannot survive the fault need not return that).
     */
    int (*get_reg)(void *ctx, uint32_t reg, uint64_t *value);
    int (*set_reg)(void *ctx, uint32_t reg, uint64_t value);
    /*
     * Make a hypercall. code: the executable view of the hypercall page, as map_exec()
     * gave it. Returns the result word.
     */
    uint64_t (*hypercall)(void *ctx, const void *code, uint64_t control, uint64_t input,
                          uint64_t output);
    /* (optional) The time stamp counter, not read ahead of earlier loads. */
    uint64_t (*tsc)(void *ctx);

    /* ---- memory ---- */

    /* The guest physical address of a byte of the caller's memory. Any 4 KiB may differ. */
    enl_gpa (*gpa)(void *ctx, const void *address);
    /*
     * (optional) Give an executable view of a 4 KiB page that has its final contents:
     * executable and, where the kernel keeps W^X, not writable. Without it the page is
     * executed where it is. Returns 0 and the view, or a failure, which ends the attempt.
     */
    int (*map_exec)(void *ctx, void *page, const void **code);
    void (*unmap_exec)(void *ctx, const void *code);
    /*
     * (optional) Map [data, data + len), whole 4 KiB pages, twice in a row, and return
     * where; NULL: no. A ring then never has to split a copy at its end.
     */
    void *(*map_twice)(void *ctx, void *data, size_t len);
    void (*unmap_twice)(void *ctx, void *twice, size_t len);

    /* ---- the rest ---- */

    /*
     * Wait a moment before attempt number attempt (1 and up) of something that the host
     * refused for now: 1 ms at first, up to 100 ms later, is what a host expects.
     */
    void (*pause)(void *ctx, uint32_t attempt);
    /* (optional) One line of text, without a newline; borrowed. */
    void (*log)(void *ctx, enum enlg_log_level level, const char *text);

    /* ---- more of the processor that runs this ---- */

    /*
     * (optional) Make a hypercall with ENLG_FAST_WORDS words of input in registers, and
     * nothing in memory. On x86 all but two are vector registers: only for a kernel in
     * which these may be used wherever a call is made.
     */
    uint64_t (*hypercall_fast)(void *ctx, const void *code, uint64_t control,
                               const uint64_t *input);
    /* Hypercalls need no page: code is NULL. */
    bool no_hypercall_page;
};

#define ENLG_FAST_WORDS 14u

#ifdef __cplusplus
}
#endif
#endif
