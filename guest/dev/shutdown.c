/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/shutdown.c - the host asks the guest to power off, restart or hibernate
 *
 * Run by the host, through guest/dev/ic.c, with a private copy of its message. The kernel
 * decides; it goes down only after the answer is on its way, or the host would take the
 * silence for a failure.
 * Tests: test/unit/guest_ic.c, test/loop/contact.c.
 */
#include "enlight/abi/shutdown.h"
#include "guest/dev/ic.h"

static const struct enl_ic_version versions[] = {
    ENL_SHUTDOWN_VERSION_3_2, ENL_SHUTDOWN_VERSION_3_1, ENL_SHUTDOWN_VERSION_3_0,
    ENL_SHUTDOWN_VERSION_1_0};

static enum enlg_shutdown_kind
kind_of(uint32_t flags)
{
    if (flags & ENL_SHUTDOWN_RESTART)
        return ENLG_SHUTDOWN_RESTART;
    if (flags & ENL_SHUTDOWN_HIBERNATE)
        return ENLG_SHUTDOWN_HIBERNATE;
    return ENLG_SHUTDOWN_POWER_OFF;
}

static uint32_t
shutdown_request(struct ic *ic, uint8_t *body, uint32_t len)
{
    const struct enlg_shutdown_ops *ops = &ic->u.shutdown;
    const uint32_t known =
        ENL_SHUTDOWN_FORCE | ENL_SHUTDOWN_RESTART | ENL_SHUTDOWN_HIBERNATE;
    enum enlg_shutdown_kind kind;
    uint32_t flags;
    bool force;

    if (len < offsetof(struct enl_shutdown, text))
        return ENL_IC_STATUS_FAIL;
    memcpy(&flags, body + offsetof(struct enl_shutdown, flags), sizeof(flags));
    kind = kind_of(flags);
    force = (flags & ENL_SHUTDOWN_FORCE) != 0;
    if ((flags & ~known) != 0 ||
        (ops->accept && ops->accept(ic->config.ctx, kind, force) != 0))
        return ENL_IC_STATUS_FAIL;
    ic->shutdown_kind = (uint8_t)kind;
    ic->shutdown_force = force;
    ic->shutdown_go = true;
    return ENL_IC_STATUS_SUCCESS;
}

static void
shutdown_answered(struct ic *ic)
{
    if (!ic->shutdown_go)
        return;
    ic->shutdown_go = false;
    ic->u.shutdown.go(ic->config.ctx, (enum enlg_shutdown_kind)ic->shutdown_kind,
                      ic->shutdown_force);
}

static const struct ic_service service = {
    .message_type = ENL_IC_SHUTDOWN,
    .versions = versions,
    .version_count = sizeof(versions) / sizeof(versions[0]),
    .request = shutdown_request,
    .answered = shutdown_answered,
};

int
enlg_shutdown_start(struct enlg_ic *out, struct enlg_channel *channel,
                    const struct enlg_ic_config *config,
                    const struct enlg_shutdown_ops *ops)
{
    if (!ops->go)
        return -ENL_E_INVAL;
    memset(out, 0, sizeof(*out));
    ((struct ic *)out)->u.shutdown = *ops;
    return enlg_ic_start(out, channel, config, &service);
}
