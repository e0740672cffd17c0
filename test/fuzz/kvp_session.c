/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session with the key-value pairs and the freeze of file systems: requests of every kind
 * at any time, and a guest that fills its answers with text of any shape, answers late,
 * twice, unasked or never.
 *
 * Promises: every request that was taken ends once; text that the embedder hears ends with
 * a zero and is UTF-8; a guest is FROZEN only while a freeze is under way, and every freeze
 * ends with one THAWED.
 */
#include <string.h>

#include "common/utf16.h"
#include "enlight/abi/vmbus.h"
#include "enlight/abi/vss.h"
#include "enlight/host/kvp.h"
#include "enlight/host/vss.h"
#include "rig_ic.h"

#define SERVICES 2u

struct session {
    struct rig_bus bus;
    struct rig_ic guest[SERVICES];
    struct enlh_kvp *kvp;
    struct enlh_vss *vss;
    uint32_t asked, items; /* requests that have not ended; items of the oldest */
    bool freezing, frozen, thawing;
};

/* ---- what the embedder hears ---- */

static void
check_text(const char *text)
{
    static uint8_t wide[4 * RIG_IC_LEN];

    RIG_CHECK(text && enl_utf16_from_utf8(text, strlen(text), wide, sizeof(wide)) >= 0);
}

static void
on_answer(void *ctx, const struct enlh_kvp_answer *answer)
{
    struct session *s = ctx;

    RIG_CHECK(s->bus.rig.held == 0 && s->asked > 0);
    if (answer->item) {
        check_text(answer->item->key);
        check_text(answer->item->value);
    }
    if (answer->ip) {
        check_text(answer->ip->adapter);
        check_text(answer->ip->address);
        check_text(answer->ip->subnet);
        check_text(answer->ip->gateway);
        check_text(answer->ip->dns);
    }
    RIG_CHECK(!answer->last == (answer->item && answer->result == 0 && !answer->last));
    s->items = answer->last ? 0 : s->items + 1;
    RIG_CHECK(s->items <= 1024);
    if (answer->last)
        s->asked--;
}

static void
on_vss(void *ctx, enum enlh_vss_event event, uint32_t status)
{
    struct session *s = ctx;

    (void)status;
    RIG_CHECK(s->bus.rig.held == 0);
    switch (event) {
    case ENLH_VSS_READY:
        RIG_CHECK(!s->freezing && !s->thawing);
        break;
    case ENLH_VSS_FROZEN:
        RIG_CHECK(s->freezing && !s->frozen);
        s->frozen = true;
        break;
    case ENLH_VSS_FAILED:
        RIG_CHECK(s->freezing && !s->frozen);
        break;
    case ENLH_VSS_EXPIRED:
        RIG_CHECK(s->frozen);
        break;
    case ENLH_VSS_THAWED:
        RIG_CHECK(s->freezing || s->thawing);
        s->freezing = s->frozen = s->thawing = false;
        break;
    }
}

/* ---- the guest: fields of text, now and then whole ---- */

static void
fill(struct rig_input *in, uint8_t *body, uint32_t len)
{
    static const uint16_t at[] = {2, 4, 8, 12, 16, 20, 260, 524, 532, 2308, 4356, 5380};
    uint8_t how = rig_u8(in);

    for (uint32_t n = how & 3; n > 0; n--) {
        uint32_t to = at[rig_below(in, sizeof(at) / sizeof(at[0]))];
        uint32_t count = rig_u8(in);

        if (to >= len)
            continue;
        if (count > len - to)
            count = len - to;
        if (how & 4)
            memset(body + to, rig_u8(in), len - to);
        rig_bytes(in, body + to, count & 15);
        if (how & 8)
            memset(body + to, 0, 2);
    }
    if ((how & 0x30) == 0x10 && len >= 20) /* text of one length in its field */
        body[4] = body[8] = body[12] = 4;
    if ((how & 0x40) && len > 8)
        body[how & 0x80 ? 8 : 4] = ENL_KVP_STRING;
}

/* ---- the host ---- */

static const char *
text(struct rig_input *in)
{
    static const char *texts[] = {"key",  "",   "gr\xC3\xBC\xC3\x9F",
                                  "\xFF", NULL, "00:15:5D:01:02:03"};

    return texts[rig_below(in, sizeof(texts) / sizeof(texts[0]))];
}

static void
ask(struct session *s)
{
    struct rig_input *in = &s->bus.rig.in;
    struct enlh_kvp_ip ip = {.adapter = text(in), .address = text(in), .dns = "1;2"};
    struct enlh_kvp_request request = {
        .size = sizeof(request),
        .operation = (enum enlh_kvp_operation)rig_below(in, 7),
        .pool = rig_below(in, 6),
        .key = text(in),
        .value = text(in),
        .ip = rig_u8(in) & 1 ? &ip : NULL,
        .fn = on_answer,
        .ctx = s,
    };

    if (!s->kvp)
        return;
    s->asked++;
    if (enlh_kvp_ask(s->kvp, &request) < 0)
        s->asked--;
}

static void
freeze_or_thaw(struct session *s, uint8_t how)
{
    if (!s->vss)
        return;
    if (how & 1) {
        bool was = s->thawing;

        s->thawing = true;
        if (enlh_vss_thaw(s->vss) < 0)
            s->thawing = was;
    } else if (enlh_vss_freeze(s->vss, how >> 4) == 0) {
        RIG_CHECK(!s->freezing && !s->thawing);
        s->freezing = true;
    }
}

static void
tick(struct session *s, uint32_t count)
{
    while (count-- > 0) {
        if (s->kvp)
            enlh_kvp_tick(s->kvp);
        if (s->vss)
            enlh_vss_tick(s->vss);
    }
}

static void
destroy(struct session *s, uint32_t i)
{
    if (i == 0) {
        enlh_kvp_destroy(s->kvp);
        s->kvp = NULL;
    } else {
        enlh_vss_destroy(s->vss);
        s->vss = NULL;
    }
}

static void
step(struct session *s)
{
    uint8_t action = rig_u8(&s->bus.rig.in);
    uint32_t i = action >> 7;

    switch (action & 15) {
    default:
        (void)rig_ic_answer(&s->bus, &s->guest[i], (action & 0x70) == 0x70);
        break;
    case 1:
        ask(s);
        break;
    case 2:
        freeze_or_thaw(s, action >> 4);
        break;
    case 3:
        tick(s, action >> 4);
        break;
    case 4:
    case 5:
    case 6:
        (void)rig_bus_turn(&s->bus, i);
        break;
    case 7:
    case 8:
        rig_ic_receive(&s->bus, &s->guest[i], 1 + (action >> 4 & 3));
        break;
    case 9:
        if ((action & 0x70) == 0x70)
            rig_ic_send_anything(&s->bus, &s->guest[i]);
        break;
    case 10:
        rig_bus_work(&s->bus);
        (void)rig_bus_listen(&s->bus, 0, 64);
        break;
    case 11:
        if ((action & 0x30) == 0x30)
            rig_ic_open_close(&s->bus, &s->guest[i], i);
        break;
    case 12:
        if ((action & 0x70) == 0x70)
            destroy(s, i);
        break;
    }
}

/* The guest opens a service, and takes the newest versions. */
static void
negotiate(struct session *s, uint32_t i)
{
    RIG_CHECK(rig_bus_open(&s->bus, &s->guest[i].guest, i + 1, i));
    rig_bus_work(&s->bus);
    rig_ic_receive(&s->bus, &s->guest[i], 1);
    (void)rig_ic_answer(&s->bus, &s->guest[i], false);
    rig_bus_work(&s->bus);
}

static void
start(struct session *s)
{
    struct enlh_ic_config kvp = {.size = sizeof(kvp)};
    struct enlh_vss_config vss = {.size = sizeof(vss), .event = on_vss, .ctx = s};

    rig_bus_start(&s->bus);
    s->guest[0].type = ENL_IC_KVP;
    s->guest[0].fill = fill;
    s->guest[1].type = ENL_IC_VSS;
    RIG_CHECK(enlh_kvp_create(s->bus.bus, &kvp, &s->kvp) == 0);
    RIG_CHECK(enlh_vss_create(s->bus.bus, &vss, &s->vss) == 0);
    rig_bus_connect(&s->bus, ENL_VMBUS_VERSION_WS2022);
    for (uint32_t i = 0; i < SERVICES; i++)
        negotiate(s, i);
}

static void
end(struct session *s)
{
    rig_bus_reset(&s->bus);
    RIG_CHECK(s->asked == 0 && !s->freezing && !s->thawing);
    for (uint32_t i = 0; i < SERVICES; i++)
        destroy(s, i);
    rig_bus_stop(&s->bus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session s;

    memset(&s, 0, sizeof(s));
    rig_bus_init(&s.bus, data, size);
    start(&s);
    for (uint32_t steps = 0; s.bus.rig.in.left > 0 && steps < 400; steps++)
        step(&s);
    end(&s);
    return 0;
}
