/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/faults.c - what the knobs do to the traffic between the halves
 *
 * A post or a signal of the guest may be refused, lost, or heard twice, and a message of
 * either side may lose its end, as the seed decides. With threads nothing goes wrong: the
 * seed's numbers belong to one thread.
 */
#include "enlight/abi/hypercall.h"
#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"
#include "test/loop/machine.h"

#define REFUSED_MAX 50u /* calls in a row: the guest half gives up after 100 */

static bool
happens(struct loop *loop, uint32_t percent)
{
    return percent != 0 && !loop->config.threads &&
           loop_rand_percent(&loop->rand, percent);
}

static bool
is_refused(struct loop *loop, uint32_t percent)
{
    if (loop->refused >= REFUSED_MAX || !happens(loop, percent)) {
        loop->refused = 0;
        return false;
    }
    loop->refused++;
    return true;
}

/* A post's input, in guest memory. */
static void
post_shorten(struct loop *loop, uint64_t input)
{
    struct enl_hv_post_message *post = (void *)(loop->ram + input);

    loop_check(input <= LOOP_RAM_LEN - sizeof(*post));
    post->payload_len = loop_rand_below(&loop->rand, post->payload_len + 1);
}

enum loop_fate
loop_fault_hypercall(struct loop *loop, uint64_t control, uint64_t input)
{
    const struct loop_knobs *knobs = &loop->config.knobs;

    if (loop->config.threads)
        return LOOP_PASSED;
    switch (control & ENL_HCALL_CODE) {
    case ENL_CALL_POST_MESSAGE:
        if (is_refused(loop, knobs->refuse_posts))
            return LOOP_REFUSED;
        if (happens(loop, knobs->short_messages))
            post_shorten(loop, input);
        return LOOP_PASSED;
    case ENL_CALL_SIGNAL_EVENT:
        if (is_refused(loop, knobs->refuse_signals))
            return LOOP_REFUSED;
        if (happens(loop, knobs->drop_signals))
            return LOOP_LOST;
        return happens(loop, knobs->repeat_signals) ? LOOP_REPEATED : LOOP_PASSED;
    default:
        return LOOP_PASSED;
    }
}

/* What waits in the slot of the bus, before the guest sees it. */
static void
slot_shorten(struct loop *loop, uint64_t simp)
{
    struct enl_message *slot =
        (struct enl_message *)(loop->ram + (simp & ENL_SIMP_GPA)) + ENL_SINT_VMBUS;

    if (slot->type != ENL_MESSAGE_NONE)
        slot->payload_len = (uint8_t)loop_rand_below(&loop->rand, slot->payload_len + 1u);
}

void
loop_fault_turn(struct loop_vp *vp)
{
    struct loop *loop = vp->loop;
    uint64_t simp;

    if (happens(loop, loop->config.knobs.repeat_interrupts))
        loop_vector_raise(vp, LOOP_VECTOR_VMBUS);
    if (happens(loop, loop->config.knobs.short_messages) &&
        enlh_vp_get_reg(vp->vp, ENL_REG_SIMP, &simp) == 0 && (simp & ENL_SIMP_ENABLE))
        slot_shorten(loop, simp);
}

bool
loop_fault_interrupt(struct loop *loop)
{
    return happens(loop, loop->config.knobs.drop_interrupts);
}

bool
loop_fault_disk(struct loop *loop)
{
    return happens(loop, loop->config.knobs.slow_disks);
}
