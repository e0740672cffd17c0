/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/synic.c - one processor's message slots and event flags
 *
 * Run by the kernel, by an interrupt of the hypervisor, or by polling. The two pages are
 * written by the host at any moment: the type of a message is read once, the rest is
 * copied once, and lengths are checked in the copy. [TLFS virtual interrupts]
 * Tests: test/unit/guest_synic.c, test/loop/life.c.
 */
#include "enlight/guest/synic.h"
#include "guest/core/core.h"

struct synic {
    const struct enlg_partition *partition;
    struct enl_message_page *messages;
    struct enl_event_page *events;
    uint32_t vp;
    bool enabled;
};
ENLG_FITS(struct synic, struct enlg_synic);

static struct synic *
synic_of(struct enlg_synic *synic)
{
    return (struct synic *)synic;
}

int
enlg_synic_enable(struct enlg_synic *out, const struct enlg_partition *partition,
                  const struct enlg_synic_pages *pages)
{
    struct synic *synic = synic_of(out);
    int rc;

    if (!enlg_partition_has(partition, ENL_PRIV_SYNIC))
        return -ENL_E_ACCESS;
    if (!pages->messages || !pages->events || !ENLG_PAGE_ALIGNED(pages->messages) ||
        !ENLG_PAGE_ALIGNED(pages->events))
        return -ENL_E_INVAL;
    memset(out, 0, sizeof(*out));
    synic->partition = partition;
    synic->messages = pages->messages;
    synic->events = pages->events;
    rc = enlg_partition_vp_index(partition, &synic->vp);
    if (rc)
        return rc;
    for (uint32_t sint = 0; sint < ENL_SINT_COUNT; sint++)
        enlg_synic_mask(out, sint);
    /* A message that an earlier kernel left would hold its slot for ever. */
    memset(pages->messages, 0, ENL_PAGE_SIZE);
    memset(pages->events, 0, ENL_PAGE_SIZE);
    rc = reg_set(partition, ENL_REG_SIMP,
                 gpa_of(partition, pages->messages) | ENL_SIMP_ENABLE);
    if (!rc)
        rc = reg_set(partition, ENL_REG_SIEFP,
                     gpa_of(partition, pages->events) | ENL_SIEFP_ENABLE);
    if (!rc)
        rc = reg_set(partition, ENL_REG_SCONTROL, ENL_SCONTROL_ENABLE);
    synic->enabled = true;
    if (rc)
        enlg_synic_disable(out);
    return rc;
}

void
enlg_synic_disable(struct enlg_synic *out)
{
    struct synic *synic = synic_of(out);

    if (!synic->enabled)
        return;
    for (uint32_t sint = 0; sint < ENL_SINT_COUNT; sint++)
        enlg_synic_mask(out, sint);
    (void)reg_set(synic->partition, ENL_REG_SCONTROL, 0);
    (void)reg_set(synic->partition, ENL_REG_SIMP, 0);
    (void)reg_set(synic->partition, ENL_REG_SIEFP, 0);
    synic->enabled = false;
}

uint32_t
enlg_synic_vp(const struct enlg_synic *synic)
{
    return ((const struct synic *)synic)->vp;
}

int
enlg_synic_unmask(struct enlg_synic *out, uint32_t sint, uint8_t vector, uint32_t flags,
                  bool *auto_eoi)
{
    struct synic *synic = synic_of(out);
    const struct enlg_features *f = enlg_partition_features(synic->partition);
    uint64_t value = vector;
    bool automatic = !(f->hints & ENL_HINT_NO_AUTO_EOI);

    if (sint >= ENL_SINT_COUNT || vector < ENL_SINT_VECTOR_MIN || !synic->enabled)
        return -ENL_E_INVAL;
    if ((flags & ENLG_SINT_POLL) && (f->features & ENL_FEAT_SINT_POLLING))
        value |= ENL_SINT_POLLING;
    if (automatic)
        value |= ENL_SINT_AUTO_EOI;
    if (auto_eoi)
        *auto_eoi = automatic;
    return reg_set(synic->partition, ENL_REG_SINT0 + sint, value);
}

void
enlg_synic_mask(struct enlg_synic *synic, uint32_t sint)
{
    if (sint < ENL_SINT_COUNT)
        (void)reg_set(synic_of(synic)->partition, ENL_REG_SINT0 + sint,
                      ENL_SINT_RESET_VALUE);
}

int
enlg_synic_message(struct enlg_synic *out, uint32_t sint, struct enl_message *copy)
{
    struct synic *synic = synic_of(out);
    struct enl_message *slot;
    uint32_t type;

    if (sint >= ENL_SINT_COUNT || !synic->enabled)
        return 0;
    slot = &synic->messages->slot[sint];
    /* Before the copy: pairs with the hypervisor's store of type after all else. */
    type = __atomic_load_n(&slot->type, __ATOMIC_ACQUIRE);
    if (type == ENL_MESSAGE_NONE)
        return 0;
    copy->type = type;
    copy->payload_len = __atomic_load_n(&slot->payload_len, __ATOMIC_RELAXED);
    if (copy->payload_len > ENL_MESSAGE_PAYLOAD)
        copy->payload_len = ENL_MESSAGE_PAYLOAD;
    copy->flags = 0; /* the hypervisor's to set at any moment, and read below */
    copy->reserved = 0;
    copy->sender = slot->sender;
    memcpy(copy->payload, slot->payload, sizeof(copy->payload));
    __atomic_store_n(&slot->type, ENL_MESSAGE_NONE, __ATOMIC_RELEASE);
    /*
     * The free slot must be seen before the flag is read: the hypervisor sets PENDING and
     * then looks at type, so that one of the two sees the other.
     */
    full_fence();
    if (__atomic_load_n(&slot->flags, __ATOMIC_RELAXED) & ENL_MESSAGE_FLAG_PENDING)
        (void)reg_set(synic->partition, ENL_REG_EOM, 0);
    return 1;
}

uint32_t
enlg_synic_events(struct enlg_synic *out, uint32_t sint, enlg_synic_flag_fn fn, void *ctx)
{
    struct synic *synic = synic_of(out);
    struct enl_event_flags *flags;
    uint32_t count = 0;

    if (sint >= ENL_SINT_COUNT || !synic->enabled)
        return 0;
    flags = &synic->events->sint[sint];
    for (uint32_t i = 0; i < ENL_EVENT_FLAG_WORDS; i++) {
        uint32_t word = __atomic_load_n(&flags->word[i], __ATOMIC_RELAXED);

        if (word == 0)
            continue;
        /* Before the rings are read: pairs with the hypervisor's atomic OR. */
        word = __atomic_exchange_n(&flags->word[i], 0, __ATOMIC_SEQ_CST);
        for (; word; word &= word - 1, count++)
            fn(ctx, i * 32 + (uint32_t)__builtin_ctz(word));
    }
    return count;
}
