/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Overlay pages. The guest chooses a page by a register; from then on the page holds the
 * hypervisor's content, and when the register lets go the bytes that were there before
 * reappear. Pages cannot be remapped cheaply from here, so contents are swapped, which a
 * guest cannot tell from remapping. [TLFS 5.2.1, overlay pages]
 *
 * The guest makes it run, on any VP. The address is not trusted: a page outside RAM, or
 * one that is covered already, is refused before anything changes.
 * Policy: the specification leaves overlapping overlays undefined; here they are a #GP.
 * Tests: overlay_swap.
 */
#include "host/core/overlay.h"

#include <string.h>

#include "enlight/abi/register.h"
#include "host/core/ops.h"
#include "host/core/vp.h"

static struct enlh_overlay_half **
overlay_bucket(struct enlh_partition *partition, uint64_t gpa)
{
    return &partition->overlays.bucket[(gpa >> ENL_PAGE_SHIFT) % ENLH_OVERLAY_BUCKETS];
}

static struct enlh_overlay_half *
overlay_find(struct enlh_partition *partition, uint64_t gpa)
{
    struct enlh_overlay_half *half = *overlay_bucket(partition, gpa);

    while (half != NULL && half->gpa != gpa)
        half = half->next;
    return half;
}

static void
overlay_link(struct enlh_partition *partition, struct enlh_overlay_half *half)
{
    struct enlh_overlay_half **bucket = overlay_bucket(partition, half->gpa);

    half->next = *bucket;
    *bucket = half;
}

static void
overlay_unlink(struct enlh_partition *partition, struct enlh_overlay_half *half)
{
    struct enlh_overlay_half **link = overlay_bucket(partition, half->gpa);

    while (*link != half)
        link = &(*link)->next;
    *link = half->next;
    half->next = NULL;
}

/* Cover the page. The lock is held. */
static int
overlay_lay(struct enlh_partition *partition, struct enlh_overlay_half *half,
            uint64_t gpa, uint8_t *host)
{
    if (overlay_find(partition, gpa) != NULL)
        return -ENL_E_FAULT;
    half->gpa = gpa;
    half->host = host;
    memcpy(half->saved, host, ENL_PAGE_SIZE);
    overlay_link(partition, half);
    return 0;
}

/* Uncover it. The lock is held. */
static void
overlay_lift(struct enlh_partition *partition, struct enlh_overlay_half *half)
{
    if (half->host == NULL)
        return;
    memcpy(half->host, half->saved, ENL_PAGE_SIZE);
    overlay_unlink(partition, half);
    half->host = NULL;
}

/* The page that value names is the one that is covered already. */
static bool
overlay_stays(const struct enlh_overlay *overlay, uint64_t value)
{
    const struct enlh_overlay_half *half = &overlay->half[overlay->current];

    return half->host != NULL && half->gpa == (value & ENL_PAGE_REG_GPA);
}

static int
overlay_claim(struct enlh_partition *partition, struct enlh_overlay *overlay)
{
    int err = 0;

    enlh_ops_lock(partition, partition->lock);
    if (overlay->changing)
        err = -ENL_E_BUSY;
    else
        overlay->changing = true;
    enlh_ops_unlock(partition, partition->lock);
    return err;
}

static void
overlay_unclaim(struct enlh_partition *partition, struct enlh_overlay *overlay)
{
    enlh_ops_lock(partition, partition->lock);
    overlay->changing = false;
    enlh_ops_unlock(partition, partition->lock);
}

/* Lay the new half; the claim is ours. */
static int
overlay_begin_new(struct enlh_partition *partition, struct enlh_overlay *overlay,
                  uint64_t value, const void *content, size_t content_len)
{
    struct enlh_overlay_half *half = &overlay->half[1 - overlay->current];
    uint64_t gpa = value & ENL_PAGE_REG_GPA;
    uint8_t *host = enlh_mem_at(partition, (enl_gpa){gpa}, ENL_PAGE_SIZE);
    int err;

    if (host == NULL)
        return -ENL_E_FAULT;
    if (half->saved == NULL)
        half->saved = enlh_ops_alloc(partition, ENL_PAGE_SIZE);
    if (half->saved == NULL)
        return -ENL_E_NOMEM;
    enlh_ops_lock(partition, partition->lock);
    err = overlay_lay(partition, half, gpa, host);
    if (err == 0) {
        memset(host + content_len, 0, ENL_PAGE_SIZE - content_len);
        if (content_len > 0)
            memcpy(host, content, content_len);
    }
    enlh_ops_unlock(partition, partition->lock);
    return err;
}

int
enlh_overlay_begin(struct enlh_partition *partition, struct enlh_overlay *overlay,
                   uint64_t value, const void *content, size_t content_len)
{
    int err = overlay_claim(partition, overlay);

    if (err != 0)
        return err;
    if ((value & ENL_PAGE_REG_ENABLE) == 0 || overlay_stays(overlay, value))
        return 0;
    err = overlay_begin_new(partition, overlay, value, content, content_len);
    if (err != 0)
        overlay_unclaim(partition, overlay);
    return err;
}

void *
enlh_overlay_next(const struct enlh_overlay *overlay, uint64_t value)
{
    if ((value & ENL_PAGE_REG_ENABLE) == 0)
        return NULL;
    if (overlay_stays(overlay, value))
        return overlay->half[overlay->current].host;
    return overlay->half[1 - overlay->current].host;
}

void
enlh_overlay_end(struct enlh_partition *partition, struct enlh_overlay *overlay,
                 uint64_t value, bool keep)
{
    struct enlh_overlay_half *old = &overlay->half[overlay->current];
    struct enlh_overlay_half *new = &overlay->half[1 - overlay->current];
    bool enabled = (value & ENL_PAGE_REG_ENABLE) != 0;

    enlh_ops_lock(partition, partition->lock);
    if (!keep) {
        overlay_lift(partition, new);
    } else {
        if (!enabled || new->host != NULL)
            overlay_lift(partition, old);
        if (new->host != NULL)
            overlay->current = 1 - overlay->current;
        atomic_store_explicit(&overlay->value, value, memory_order_relaxed);
    }
    overlay->changing = false;
    enlh_ops_unlock(partition, partition->lock);
}

int
enlh_overlay_set(struct enlh_vp *vp, const struct enlh_overlay_write *write)
{
    struct enlh_partition *partition = vp->partition;
    int err = enlh_overlay_begin(partition, write->overlay, write->value, write->content,
                                 write->content_len);

    if (err != 0)
        return err;
    err = enlh_ops_forward(vp, write->reg, write->value);
    enlh_overlay_end(partition, write->overlay, write->value, err == 0);
    return err;
}

void
enlh_overlay_reset(struct enlh_partition *partition, struct enlh_overlay *overlay)
{
    enlh_ops_lock(partition, partition->lock);
    overlay_lift(partition, &overlay->half[0]);
    overlay_lift(partition, &overlay->half[1]);
    atomic_store_explicit(&overlay->value, 0, memory_order_relaxed);
    enlh_ops_unlock(partition, partition->lock);
}

void
enlh_overlay_fini(struct enlh_partition *partition, struct enlh_overlay *overlay)
{
    for (uint32_t i = 0; i < 2; i++)
        enlh_ops_free(partition, overlay->half[i].saved, ENL_PAGE_SIZE);
}

void *
enlh_overlay_page(const struct enlh_overlay *overlay)
{
    return overlay->half[overlay->current].host;
}

bool
enlh_overlay_covers(struct enlh_partition *partition, uint64_t gpa)
{
    bool covered;

    enlh_ops_lock(partition, partition->lock);
    covered = overlay_find(partition, gpa & ENL_PAGE_REG_GPA) != NULL;
    enlh_ops_unlock(partition, partition->lock);
    return covered;
}

void
enlh_overlay_save(struct enlh_partition *partition, const struct enlh_overlay *overlay,
                  struct enlh_overlay_state *out)
{
    const struct enlh_overlay_half *half = &overlay->half[overlay->current];

    memset(out, 0, sizeof(*out));
    enlh_ops_lock(partition, partition->lock);
    out->value = enlh_overlay_value(overlay);
    if (half->host != NULL)
        memcpy(out->below, half->saved, ENL_PAGE_SIZE);
    enlh_ops_unlock(partition, partition->lock);
}

int
enlh_overlay_restore(struct enlh_partition *partition, struct enlh_overlay *overlay,
                     const struct enlh_overlay_state *state)
{
    struct enlh_overlay_half *half = &overlay->half[overlay->current];
    uint64_t gpa = state->value & ENL_PAGE_REG_GPA;
    uint8_t *host = enlh_mem_at(partition, (enl_gpa){gpa}, ENL_PAGE_SIZE);
    int err = 0;

    if ((state->value & ENL_PAGE_REG_ENABLE) != 0) {
        if (host == NULL || half->host != NULL)
            return -ENL_E_FAULT;
        if (half->saved == NULL)
            half->saved = enlh_ops_alloc(partition, ENL_PAGE_SIZE);
        if (half->saved == NULL)
            return -ENL_E_NOMEM;
        enlh_ops_lock(partition, partition->lock);
        err = overlay_lay(partition, half, gpa, host);
        if (err == 0)
            memcpy(half->saved, state->below, ENL_PAGE_SIZE);
        enlh_ops_unlock(partition, partition->lock);
    }
    if (err == 0)
        atomic_store_explicit(&overlay->value, state->value, memory_order_relaxed);
    return err;
}
