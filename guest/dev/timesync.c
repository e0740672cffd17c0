/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/timesync.c - the host tells the time
 *
 * Run by the host, through guest/dev/ic.c, with a private copy of its message. The kernel
 * decides what to do with a time that a host may have made up.
 * Tests: test/unit/guest_ic.c, test/loop/contact.c.
 */
#include "enlight/abi/timesync.h"
#include "guest/dev/ic.h"

static const struct enl_ic_version versions[] = {
    ENL_TIMESYNC_VERSION_4_0, ENL_TIMESYNC_VERSION_3_0, ENL_TIMESYNC_VERSION_1_0};

static uint32_t
timesync_request(struct ic *ic, uint8_t *body, uint32_t len)
{
    bool four = ic->version.major >= 4;
    struct enlg_timesync_sample sample = {0};
    size_t flags_at = four ? offsetof(struct enl_timesync_4_0, flags)
                           : offsetof(struct enl_timesync, flags);
    uint8_t flags;

    if (len < (four ? ENL_TIMESYNC_4_0_LEN_MIN : ENL_TIMESYNC_LEN_MIN))
        return ENL_IC_STATUS_FAIL;
    flags = body[flags_at];
    memcpy(&sample.utc_100ns, body, sizeof(sample.utc_100ns));
    if (four)
        memcpy(&sample.reference_100ns,
               body + offsetof(struct enl_timesync_4_0, reference_time),
               sizeof(sample.reference_100ns));
    sample.sync = (flags & ENL_TIMESYNC_FLAG_SYNC) != 0;
    if (sample.sync || (flags & ENL_TIMESYNC_FLAG_SAMPLE))
        ic->u.timesync(ic->config.ctx, &sample);
    return ENL_IC_STATUS_SUCCESS;
}

static const struct ic_service service = {
    .message_type = ENL_IC_TIMESYNC,
    .versions = versions,
    .version_count = sizeof(versions) / sizeof(versions[0]),
    .request = timesync_request,
};

int
enlg_timesync_start(struct enlg_ic *out, struct enlg_channel *channel,
                    const struct enlg_ic_config *config, enlg_timesync_fn fn)
{
    if (!fn)
        return -ENL_E_INVAL;
    memset(out, 0, sizeof(*out));
    ((struct ic *)out)->u.timesync = fn;
    return enlg_ic_start(out, channel, config, &service);
}
