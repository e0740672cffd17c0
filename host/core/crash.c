/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The crash registers: a guest leaves five numbers, and with the message bit the address
 * and length of a text, then rings the bell in CRASH_CTL. The embedder gets an event with
 * a copy. The guest makes it run, as often as it likes; the address and the length are
 * its own, so a text outside RAM is no text, and 4096 bytes are the most. What to do with
 * a crashed guest is the embedder's decision: a kdump kernel may follow.
 * [TLFS 2.6, crash enlightenment]
 * Tests: crash_report.
 */
#include "host/core/crash.h"

#include <string.h>

#include "host/core/ops.h"

#define CRASH_TEXT_LEN 4096u

int
enlh_crash_init(struct enlh_partition *partition)
{
    enlh_crash_reset(partition);
    return 0;
}

void
enlh_crash_reset(struct enlh_partition *partition)
{
    memset(&partition->crash, 0, sizeof(partition->crash));
}

void
enlh_crash_fini(struct enlh_partition *partition)
{
    enlh_crash_reset(partition);
}

static void
crash_read_params(struct enlh_partition *partition, uint64_t *param)
{
    enlh_ops_lock(partition, partition->lock);
    memcpy(param, partition->crash.param, sizeof(partition->crash.param));
    enlh_ops_unlock(partition, partition->lock);
}

static void
crash_notify(struct enlh_vp *vp, uint64_t control)
{
    struct enlh_partition *partition = vp->partition;
    struct enlh_event event = {.kind = ENLH_EVENT_CRASH, .vp = vp->index};
    char text[CRASH_TEXT_LEN];
    size_t len;

    crash_read_params(partition, event.crash);
    len = event.crash[4] < sizeof(text) ? (size_t)event.crash[4] : sizeof(text);
    if ((control & ENL_CRASH_CTL_MESSAGE) != 0 && len > 0 &&
        enlh_mem_read(partition, (enl_gpa){event.crash[3]}, text, len) == 0) {
        event.text = text;
        event.text_len = len;
    }
    partition->ops.event(partition->ctx, &event);
}

int
enlh_crash_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value)
{
    uint64_t param[ENL_CRASH_PARAMS];

    if (reg == ENL_REG_CRASH_CTL) {
        *value = ENL_CRASH_CTL_NOTIFY | ENL_CRASH_CTL_MESSAGE;
        return 0;
    }
    crash_read_params(vp->partition, param);
    *value = param[reg - ENL_REG_CRASH_P0];
    return 0;
}

int
enlh_crash_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value)
{
    struct enlh_partition *partition = vp->partition;

    if (reg == ENL_REG_CRASH_CTL) {
        if ((value & ENL_CRASH_CTL_NOTIFY) != 0)
            crash_notify(vp, value);
        return 0;
    }
    enlh_ops_lock(partition, partition->lock);
    partition->crash.param[reg - ENL_REG_CRASH_P0] = value;
    enlh_ops_unlock(partition, partition->lock);
    return 0;
}

void
enlh_crash_save(struct enlh_partition *partition, struct enlh_crash_state *out)
{
    crash_read_params(partition, out->param);
}

int
enlh_crash_restore(struct enlh_partition *partition, const struct enlh_crash_state *state)
{
    enlh_ops_lock(partition, partition->lock);
    memcpy(partition->crash.param, state->param, sizeof(partition->crash.param));
    enlh_ops_unlock(partition, partition->lock);
    return 0;
}
