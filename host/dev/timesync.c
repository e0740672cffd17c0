/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/dev/timesync.c - what time it is
 *
 * Sends the embedder's clock to the guest: with 4.0 together with the partition's
 * reference time of the same moment, from which the guest finds out how old the sample is;
 * with 3.0 and 1.0 alone, so a sample that cannot go now is dropped, not kept. The guest's
 * answers are only counted off against the window: whatever they say has no effect.
 * Tests: test/unit/timesync_samples.c.
 */
#include "enlight/abi/guids.h"
#include "enlight/abi/timesync.h"
#include "host/dev/ic.h"

#define VERSION_4_0 0x00040000u

struct sample {
    bool due;
    bool sync; /* the next one that goes sets the clock */
    uint64_t utc_100ns, reference_100ns;
};

struct enlh_timesync {
    struct enlh_ic ic;    /* first */
    struct sample sample; /* under the lock */
};

static struct enlh_timesync *
of(struct enlh_ic *ic)
{
    return (struct enlh_timesync *)ic;
}

static int
send_sample(struct enlh_ic *ic, const struct sample *sample)
{
    uint8_t flags = sample->sync ? ENL_TIMESYNC_FLAG_SYNC : ENL_TIMESYNC_FLAG_SAMPLE;

    if (ic->version >= VERSION_4_0) {
        const struct enl_timesync_4_0 body = {
            .parent_time = sample->utc_100ns,
            .reference_time = sample->reference_100ns,
            .flags = flags,
        };

        return enlh_ic_request(ic, &body, sizeof(body));
    } else {
        const struct enl_timesync body = {
            .parent_time = sample->utc_100ns,
            .flags = flags,
        };

        return enlh_ic_request(ic, &body, sizeof(body));
    }
}

/* A guest that has just come up takes the first sample for its clock. */
static void
timesync_ready(struct enlh_ic *ic)
{
    enlh_ic_lock(ic);
    of(ic)->sample.due = false;
    of(ic)->sample.sync = true;
    enlh_ic_unlock(ic);
}

static void
timesync_run(struct enlh_ic *ic)
{
    struct sample *next = &of(ic)->sample;
    struct sample sample;

    enlh_ic_lock(ic);
    sample = *next;
    next->due = false;
    if (sample.due)
        next->sync = false;
    enlh_ic_unlock(ic);
    if (!sample.due || send_sample(ic, &sample) == 0)
        return;
    enlh_ic_lock(ic);
    next->sync |= sample.sync;
    enlh_ic_unlock(ic);
}

static int
timesync_answer(struct enlh_ic *ic, const struct enlh_ic_answer *answer)
{
    (void)ic;
    (void)answer;
    return 0;
}

static const struct enlh_ic_service service = {
    .name = "timesync",
    .class_id = ENL_GUID_TIMESYNC,
    .instance = ENL_GUID_TIMESYNC_INSTANCE,
    .message_type = ENL_IC_TIMESYNC,
    .window = 2,
    .versions = {ENL_TIMESYNC_VERSION_1_0, ENL_TIMESYNC_VERSION_3_0,
                 ENL_TIMESYNC_VERSION_4_0},
    .version_count = 3,
    .ready = timesync_ready,
    .run = timesync_run,
    .answer = timesync_answer,
};

int
enlh_timesync_create(struct enlh_vmbus *bus, const struct enlh_ic_config *config,
                     struct enlh_timesync **out)
{
    struct enlh_ic *ic;
    int result = enlh_ic_create(bus, config, &service, sizeof(**out), &ic);

    if (result == 0)
        *out = of(ic);
    return result;
}

void
enlh_timesync_destroy(struct enlh_timesync *timesync)
{
    enlh_ic_destroy(timesync ? &timesync->ic : NULL);
}

void
enlh_timesync_tick(struct enlh_timesync *timesync, uint64_t utc_100ns,
                   uint64_t reference_100ns, bool sync)
{
    struct sample *next = &timesync->sample;
    bool ready;

    enlh_ic_lock(&timesync->ic);
    ready = timesync->ic.ready;
    next->sync |= sync;
    next->due = true;
    next->utc_100ns = utc_100ns;
    next->reference_100ns = reference_100ns;
    enlh_ic_unlock(&timesync->ic);
    if (ready)
        enlh_channel_wake(timesync->ic.channel);
}
