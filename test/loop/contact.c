/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/contact.c - the two halves meet: versions, offers, services, clocks, timers
 */
#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/abi/timesync.h"
#include "enlight/host/ic.h"
#include "test/loop/rig.h"

static struct rig rig;

/* What the host's services said. */
static struct {
    uint32_t framework, version; /* agreed on */
    uint32_t alive, accepted;
} heard;
static uint32_t removed;

static void
rig_defaults(uint64_t seed)
{
    memset(&heard, 0, sizeof(heard));
    removed = 0;
    rig_init(&rig, seed);
}

static bool
has_all_offers(void *ctx)
{
    (void)ctx;
    return rig.guest->all_offers;
}

static void
contact(uint32_t host_max, uint32_t guest_max, uint32_t want)
{
    struct enlg_vmbus_counters counters;

    rig.config.max_version = host_max;
    rig.guest_config.max_version = guest_max;
    rig_start(&rig);
    loop_run_until(&rig.loop, has_all_offers, NULL, "ALL_OFFERS");
    loop_check(enlg_vmbus_version(&rig.guest->bus) == want);
    loop_check(enlh_vmbus_version(rig.loop.bus) == want);
    enlg_vmbus_counters(&rig.guest->bus, &counters);
    loop_check(counters.messages_malformed == 0 && counters.offers_refused == 0);
    rig_leave(&rig);
    loop_check(enlg_vmbus_version(&rig.guest->bus) == 0);
    rig_end(&rig);
}

static void
contact_negotiates_5_3(uint64_t seed)
{
    rig_defaults(seed);
    contact(0, 0, ENL_VMBUS_VERSION_WS2022);
}

static const uint32_t versions[] = {
    ENL_VMBUS_VERSION_WS2022,    ENL_VMBUS_VERSION_WIN10_5_2, ENL_VMBUS_VERSION_WIN10_5_1,
    ENL_VMBUS_VERSION_WIN10_5_0, ENL_VMBUS_VERSION_WIN10_4_1, ENL_VMBUS_VERSION_WIN10,
    ENL_VMBUS_VERSION_WIN8_1,    ENL_VMBUS_VERSION_WIN8,
};

static void
contact_steps_down_to_the_hosts_version(uint64_t seed)
{
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        rig_defaults(seed + i);
        contact(versions[i], 0, versions[i]);
    }
}

static void
contact_takes_the_guests_version(uint64_t seed)
{
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        rig_defaults(seed + i);
        contact(0, versions[i], versions[i]);
    }
}

static void
contact_is_refused_6_0(uint64_t seed)
{
    rig_defaults(seed);
    contact(0, ENL_VMBUS_VERSION_6_0, ENL_VMBUS_VERSION_WS2022);
}

static bool
has_failed(void *ctx)
{
    (void)ctx;
    return rig.guest->failed;
}

static void
contact_without_a_common_version_fails(uint64_t seed)
{
    rig_defaults(seed);
    rig.config.max_version = ENL_VMBUS_VERSION_WIN10;
    rig.guest_config.min_version = ENL_VMBUS_VERSION_WIN10_5_0;
    rig_start(&rig);
    loop_run_until(&rig.loop, has_failed, NULL, "FAILED");
    loop_check(enlg_vmbus_state(&rig.guest->bus) == ENLG_VMBUS_FAILED);
    loop_run_idle(&rig.loop);
    rig_end(&rig);
}

/* ---- offers ---- */

static int
nothing_packet(void *dev, struct enlh_channel *channel, const struct enlh_packet *packet)
{
    (void)dev;
    (void)channel;
    (void)packet;
    return -ENL_E_PROTO;
}

static void
nothing_removed(void *dev, struct enlh_channel *channel)
{
    (void)channel;
    ++*(uint32_t *)dev;
}

static const struct enlh_channel_ops nothing_ops = {
    .size = sizeof(nothing_ops),
    .max_payload = 64,
    .packet = nothing_packet,
    .removed = nothing_removed,
};

static struct enlh_channel *
offer_nothing(uint32_t number)
{
    struct enlh_offer offer = {.size = sizeof(offer), .name = "nothing"};
    struct enlh_channel *channel = NULL;

    memset(&offer.type, 0x11, sizeof(offer.type));
    offer.instance.b[0] = (uint8_t)number;
    offer.instance.b[1] = (uint8_t)(number >> 8);
    offer.user_defined[7] = (uint8_t)number;
    loop_check(
        enlh_channel_offer(rig.loop.bus, &offer, &nothing_ops, &removed, &channel) == 0);
    return channel;
}

#define OFFERS 120u

static void
offers_check(void)
{
    bool seen[OFFERS] = {false};
    struct enlg_channel *channel;
    uint32_t i;

    for (i = 0; (channel = enlg_vmbus_channel(&rig.guest->bus, i)); i++) {
        const struct enlg_channel_info *info = enlg_channel_info(channel);
        uint32_t number = info->instance.b[0] | (uint32_t)info->instance.b[1] << 8;

        loop_check(number < OFFERS && !seen[number]);
        loop_check(info->user_defined[7] == (uint8_t)number && info->dedicated);
        seen[number] = true;
    }
    loop_check(i == OFFERS && rig.guest->offers == OFFERS);
}

static void
offers_all_arrive(uint64_t seed)
{
    struct enlh_channel *channels[OFFERS];

    rig_defaults(seed);
    rig.config.offer_seed = seed % 3 ? seed : 0;
    rig_start(&rig);
    for (uint32_t i = 0; i < OFFERS; i++)
        channels[i] = offer_nothing(i);
    loop_run_until(&rig.loop, has_all_offers, NULL, "ALL_OFFERS");
    offers_check();
    for (uint32_t i = 0; i < OFFERS; i++)
        enlh_channel_rescind(channels[i]);
    loop_run_idle(&rig.loop);
    loop_check(removed == OFFERS && rig.guest->gone == OFFERS);
    rig_leave(&rig);
    rig_end(&rig);
}

/* ---- services ---- */

static void
service_event(void *ctx, enum enlh_ic_event event, uint32_t framework, uint32_t version,
              uint32_t status)
{
    (void)ctx;
    switch (event) {
    case ENLH_IC_READY:
        heard.framework = framework;
        heard.version = version;
        break;
    case ENLH_IC_ALIVE:
        heard.alive++;
        break;
    case ENLH_IC_ACCEPTED:
        heard.accepted++;
        break;
    default:
        loop_fail("service event %d, status %#x", (int)event, status);
    }
}

static const struct enlh_ic_config service_config = {.size = sizeof(service_config),
                                                     .event = service_event};

static bool
is_ready(void *ctx)
{
    (void)ctx;
    return heard.version != 0;
}

static bool
has_answered_three(void *ctx)
{
    (void)ctx;
    return enlg_ic_answered(&rig.guest->ic[0]) >= 3;
}

static void
heartbeat_answers(uint64_t seed)
{
    struct enlh_heartbeat *heartbeat;

    rig_defaults(seed);
    rig_start(&rig);
    loop_check(enlh_heartbeat_create(rig.loop.bus, &service_config, &heartbeat) == 0);
    loop_run_until(&rig.loop, is_ready, NULL, "the heartbeat's versions");
    loop_check(heard.framework == 3 << 16 && heard.version == 3 << 16);
    for (int i = 0; i < 3; i++) {
        enlh_heartbeat_tick(heartbeat);
        loop_run_idle(&rig.loop);
    }
    loop_check(has_answered_three(NULL) && heard.alive == 1);
    enlh_heartbeat_destroy(heartbeat);
    loop_run_idle(&rig.loop);
    loop_check(rig.guest->gone == 1);
    rig_leave(&rig);
    rig_end(&rig);
}

static void
shutdown_is_obeyed(uint64_t seed)
{
    struct enlh_shutdown *shutdown;

    rig_defaults(seed);
    rig_start(&rig);
    loop_check(enlh_shutdown_create(rig.loop.bus, &service_config, &shutdown) == 0);
    loop_run_until(&rig.loop, is_ready, NULL, "the shutdown service's versions");
    loop_check(heard.version == (3 << 16 | 2));
    loop_check(enlh_shutdown_request(shutdown, ENLH_SHUTDOWN_REBOOT, true, "test") == 0);
    loop_run_idle(&rig.loop);
    loop_check(heard.accepted == 1 && rig.guest->shutdowns == 1);
    loop_check(rig.guest->shutdown_kind == ENLG_SHUTDOWN_RESTART);
    enlh_shutdown_destroy(shutdown);
    rig_leave(&rig);
    rig_end(&rig);
}

static void
timesync_is_heard(uint64_t seed)
{
    struct enlh_timesync *timesync;
    uint64_t utc = ENL_TIMESYNC_UNIX_EPOCH + 123456789;

    rig_defaults(seed);
    rig_start(&rig);
    loop_check(enlh_timesync_create(rig.loop.bus, &service_config, &timesync) == 0);
    loop_run_until(&rig.loop, is_ready, NULL, "the time service's versions");
    loop_check(heard.version == 4 << 16);
    enlh_timesync_tick(timesync, utc, 4711, true);
    loop_run_idle(&rig.loop);
    loop_check(rig.guest->time_utc == utc && rig.guest->time_reference == 4711);
    enlh_timesync_destroy(timesync);
    rig_leave(&rig);
    rig_end(&rig);
}

/* ---- clock and timers: functions of the guest on VP 0 ---- */

struct timer_test {
    bool direct;
    bool armed;
    bool every;
    uint64_t deadline;
    uint64_t last;
    void (*step)(void *guest, uint32_t vp);
};
static struct timer_test timer;

static void
clock_check(void)
{
    uint64_t fast = enlg_clock_read(&rig.guest->clock);
    uint64_t now = atomic_load(&rig.loop.now);

    loop_check(enlg_clock_is_fast(&rig.guest->clock));
    loop_check(fast == now && fast >= timer.last);
    timer.last = fast;
}

static void
timer_step(void *ctx, uint32_t vp)
{
    struct enlg_stimer *t = &rig.guest->timer;

    timer.step(ctx, vp);
    if (vp != 0 || !rig.guest->all_offers)
        return;
    clock_check();
    if (timer.armed)
        return;
    timer.armed = true;
    if (timer.direct)
        loop_check(enlg_stimer_init_direct(t, &rig.guest->partition, 0, VECTOR_TIMER) ==
                   0);
    else
        loop_check(enlg_stimer_init_message(t, &rig.guest->partition, 1, 2) == 0);
    timer.deadline = timer.last + 5000;
    if (timer.every)
        loop_check(enlg_stimer_every(t, 3000) == 0);
    else
        loop_check(enlg_stimer_at(t, timer.deadline) == 0);
}

static bool
has_expired(void *ctx)
{
    return rig.guest->timer_expirations >= *(uint32_t *)ctx;
}

static void
timer_run(uint64_t seed, bool direct, bool every)
{
    uint32_t want = every ? 4 : 1;

    rig_defaults(seed);
    rig.config.knobs.repeat_interrupts = 0;
    rig_start(&rig);
    timer = (struct timer_test){
        .direct = direct, .every = every, .step = rig.loop.guest_step};
    rig.loop.guest_step = timer_step;
    loop_run_until(&rig.loop, has_expired, &want, "the timer's expiration");
    loop_check(every || atomic_load(&rig.loop.now) >= timer.deadline);
    rig.loop.guest_step = timer.step;
    loop_reset(&rig.loop);
    rig.guest = guest_boot(&rig.loop, &rig.guest_config);
    loop_run_until(&rig.loop, has_all_offers, NULL, "ALL_OFFERS after a reset");
    rig_leave(&rig);
    rig_end(&rig);
}

static void
timer_in_every_mode_goes_off_in_time(uint64_t seed)
{
    timer_run(seed, true, false);
    timer_run(seed, true, true);
    timer_run(seed, false, false);
    timer_run(seed, false, true);
}

/* ---- a guest without interrupts ---- */

static bool
all_are_removed(void *ctx)
{
    (void)ctx;
    return removed == 5;
}

static void
polling_survives_lost_interrupts(uint64_t seed)
{
    struct enlh_channel *channels[5];

    rig_defaults(seed);
    rig.config.knobs.drop_interrupts = seed % 2 ? 50 : 100;
    rig.guest_config.polls = true;
    rig_start(&rig);
    for (uint32_t i = 0; i < 5; i++)
        channels[i] = offer_nothing(i);
    loop_run_until(&rig.loop, has_all_offers, NULL, "ALL_OFFERS");
    loop_check(rig.guest->offers == 5);
    for (uint32_t i = 0; i < 5; i++)
        enlh_channel_rescind(channels[i]);
    loop_run_until(&rig.loop, all_are_removed, NULL, "the release of every relid");
    rig_leave(&rig);
    rig_end(&rig);
}

int
main(int argc, char **argv)
{
    static const struct loop_case cases[] = {
        {"contact_negotiates_5_3", contact_negotiates_5_3, 50},
        {"contact_steps_down_to_the_hosts_version",
         contact_steps_down_to_the_hosts_version, 10},
        {"contact_takes_the_guests_version", contact_takes_the_guests_version, 10},
        {"contact_is_refused_6_0", contact_is_refused_6_0, 10},
        {"contact_without_a_common_version_fails", contact_without_a_common_version_fails,
         10},
        {"offers_all_arrive", offers_all_arrive, 30},
        {"heartbeat_answers", heartbeat_answers, 30},
        {"shutdown_is_obeyed", shutdown_is_obeyed, 30},
        {"timesync_is_heard", timesync_is_heard, 30},
        {"timer_in_every_mode_goes_off_in_time", timer_in_every_mode_goes_off_in_time,
         30},
        {"polling_survives_lost_interrupts", polling_survives_lost_interrupts, 30},
    };

    return loop_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
