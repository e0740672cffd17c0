/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/stimer.c - synthetic timers, one-shot and periodic, by message or vector
 *
 * Run by the kernel on the timer's processor. A one-shot is armed by one register write:
 * the configuration holds auto-enable, and the count starts it. [TLFS timers]
 * Tests: test/unit/guest_synic.c, test/loop/contact.c.
 */
#include "enlight/guest/stimer.h"
#include "guest/core/core.h"

struct stimer {
    const struct enlg_partition *partition;
    uint64_t config; /* the mode, with neither ENABLE nor PERIODIC */
    uint64_t active; /* what the configuration register was last given */
    uint32_t index;
};
ENLG_FITS(struct stimer, struct enlg_stimer);

static struct stimer *
stimer_of(struct enlg_stimer *timer)
{
    return (struct stimer *)timer;
}

static int
config_set(struct stimer *timer, uint64_t config)
{
    int rc = reg_set(timer->partition, ENL_REG_STIMER0_CONFIG + 2 * timer->index, config);

    if (!rc)
        timer->active = config;
    return rc;
}

static int
count_set(struct stimer *timer, uint64_t count)
{
    return reg_set(timer->partition, ENL_REG_STIMER0_COUNT + 2 * timer->index, count);
}

static int
stimer_init(struct enlg_stimer *out, const struct enlg_partition *partition,
            uint32_t index, uint64_t config)
{
    struct stimer *timer = stimer_of(out);

    if (!enlg_partition_has(partition, ENL_PRIV_STIMER))
        return -ENL_E_ACCESS;
    if (index >= ENL_STIMER_COUNT)
        return -ENL_E_INVAL;
    memset(out, 0, sizeof(*out));
    timer->partition = partition;
    timer->index = index;
    timer->config = config;
    return config_set(timer, 0);
}

int
enlg_stimer_init_direct(struct enlg_stimer *timer, const struct enlg_partition *partition,
                        uint32_t index, uint8_t vector)
{
    uint64_t config = ENL_STIMER_DIRECT | (uint64_t)vector << ENL_STIMER_VECTOR_SHIFT;

    if (vector < ENL_SINT_VECTOR_MIN)
        return -ENL_E_INVAL;
    if (!(enlg_partition_features(partition)->features & ENL_FEAT_DIRECT_STIMER))
        return -ENL_E_ACCESS;
    return stimer_init(timer, partition, index, config);
}

int
enlg_stimer_init_message(struct enlg_stimer *timer,
                         const struct enlg_partition *partition, uint32_t index,
                         uint32_t sint)
{
    if (sint == 0 || sint >= ENL_SINT_COUNT)
        return -ENL_E_INVAL;
    return stimer_init(timer, partition, index, (uint64_t)sint << ENL_STIMER_SINT_SHIFT);
}

int
enlg_stimer_at(struct enlg_stimer *out, uint64_t time_100ns)
{
    struct stimer *timer = stimer_of(out);
    uint64_t config = timer->config | ENL_STIMER_AUTO_ENABLE;
    int rc = 0;

    if (timer->active != config)
        rc = config_set(timer, config);
    /* A count of 0 would stop the timer; the time 1 has passed as well. */
    return rc ? rc : count_set(timer, time_100ns ? time_100ns : 1);
}

int
enlg_stimer_every(struct enlg_stimer *out, uint64_t period_100ns)
{
    struct stimer *timer = stimer_of(out);
    int rc;

    if (period_100ns == 0)
        return -ENL_E_INVAL;
    rc = config_set(timer, 0);
    if (!rc)
        rc = count_set(timer, period_100ns);
    if (!rc)
        rc = config_set(timer, timer->config | ENL_STIMER_PERIODIC | ENL_STIMER_ENABLE);
    return rc;
}

void
enlg_stimer_stop(struct enlg_stimer *out)
{
    (void)config_set(stimer_of(out), 0);
    (void)count_set(stimer_of(out), 0);
}

int
enlg_stimer_message(const struct enlg_stimer *out, const struct enl_message *message,
                    uint64_t *expiration)
{
    const struct stimer *timer = (const struct stimer *)out;
    struct enl_timer_payload payload;

    if (message->type != ENL_MESSAGE_TIMER_EXPIRED ||
        message->payload_len < sizeof(payload))
        return 0;
    memcpy(&payload, message->payload, sizeof(payload));
    if (payload.timer_index != timer->index)
        return 0;
    if (expiration)
        *expiration = payload.expiration_time;
    return 1;
}
