/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/kvp.c - both halves of the key-value pair service, in any order of their turns
 */
#include <string.h>

#include "enlight/host/kvp.h"
#include "test/loop/rig.h"

#define ADAPTER "00:15:5D:01:02:03"

static struct rig rig;
static struct enlh_kvp *service;

/* What the host heard. */
static struct {
    uint32_t version;
    uint32_t items, ended;
    int result; /* of the last that ended */
    char key[64], value[64], address[64];
} heard;

static void
on_event(void *ctx, enum enlh_ic_event event, uint32_t framework, uint32_t version,
         uint32_t status)
{
    (void)ctx;
    (void)framework;
    (void)status;
    loop_check(event == ENLH_IC_READY);
    heard.version = version;
}

static void
on_answer(void *ctx, const struct enlh_kvp_answer *answer)
{
    (void)ctx;
    if (answer->item) {
        heard.items++;
        strncpy(heard.key, answer->item->key, sizeof(heard.key) - 1);
        strncpy(heard.value, answer->item->value, sizeof(heard.value) - 1);
    }
    if (answer->ip)
        strncpy(heard.address, answer->ip->address, sizeof(heard.address) - 1);
    if (!answer->last)
        return;
    heard.ended++;
    heard.result = answer->result;
}

static bool
is_ready(void *ctx)
{
    (void)ctx;
    return heard.version != 0;
}

static void
start(uint64_t seed)
{
    static const struct enlh_ic_config config = {.size = sizeof(config),
                                                 .event = on_event};

    memset(&heard, 0, sizeof(heard));
    rig_init(&rig, seed);
    rig_start(&rig);
    loop_check(enlh_kvp_create(rig.loop.bus, &config, &service) == 0);
    loop_run_until(&rig.loop, is_ready, NULL, "the versions of KVP");
    loop_check(heard.version == 4 << 16);
}

static void
leave(void)
{
    rig_leave(&rig);
    rig_end(&rig);
}

static void
ask(enum enlh_kvp_operation operation, const char *key, const char *value)
{
    struct enlh_kvp_ip ip = {.adapter = key};
    struct enlh_kvp_request request = {.size = sizeof(request),
                                       .operation = operation,
                                       .pool = ENL_KVP_POOL_GUEST,
                                       .key = key,
                                       .value = value,
                                       .ip = &ip,
                                       .fn = on_answer};

    loop_check(enlh_kvp_ask(service, &request) == 0);
}

/* ... and wait for the end of it. */
static int
asked(enum enlh_kvp_operation operation, const char *key, const char *value)
{
    uint32_t before = heard.ended;

    ask(operation, key, value);
    loop_run_idle(&rig.loop);
    loop_check(heard.ended == before + 1);
    return heard.result;
}

static void
kvp_reads_and_writes_the_guests_pool(uint64_t seed)
{
    start(seed);
    loop_check(asked(ENLH_KVP_SET, "one", "1") == 0);
    loop_check(asked(ENLH_KVP_SET, "zw\xC3\xB6lf", "12") == 0);
    loop_check(strcmp(rig.guest->items[1].key, "zw\xC3\xB6lf") == 0);
    loop_check(asked(ENLH_KVP_GET, "zw\xC3\xB6lf", NULL) == 0);
    loop_check(strcmp(heard.value, "12") == 0);
    heard.items = 0;
    loop_check(asked(ENLH_KVP_LIST, NULL, NULL) == 0 && heard.items == 2);
    loop_check(asked(ENLH_KVP_DELETE, "one", NULL) == 0);
    loop_check(asked(ENLH_KVP_DELETE, "one", NULL) == -ENL_E_NOENT);
    loop_check(asked(ENLH_KVP_GET, "one", NULL) == -ENL_E_NOENT);
    loop_check(asked(ENLH_KVP_GET_IP, ADAPTER, NULL) == 0);
    loop_check(strcmp(heard.address, "192.168.0.7") == 0);
    loop_check(asked(ENLH_KVP_GET_IP, "nobody", NULL) == -ENL_E_NOENT);
    loop_check(asked(ENLH_KVP_SET_IP, ADAPTER, NULL) == -ENL_E_NOTSUP);
    enlh_kvp_destroy(service);
    leave();
}

static void
kvp_queue_keeps_its_order(uint64_t seed)
{
    static const char *values[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

    start(seed);
    for (uint32_t i = 0; i < 8; i++)
        ask(ENLH_KVP_SET, "key", values[i]);
    ask(ENLH_KVP_GET, "key", NULL);
    loop_run_idle(&rig.loop);
    loop_check(heard.ended == 9 && strcmp(heard.value, "h") == 0);
    enlh_kvp_destroy(service);
    leave();
}

static bool
has_ended_one(void *ctx)
{
    return heard.ended >= *(uint32_t *)ctx;
}

/* Rescinded or unloaded with requests at every stage: each ends, once. */
static void
kvp_ends_what_it_was_asked(uint64_t seed)
{
    uint32_t some = (uint32_t)(seed % 5);

    start(seed);
    for (uint32_t i = 0; i < 8; i++)
        ask(i & 1 ? ENLH_KVP_LIST : ENLH_KVP_SET, "key", "value");
    loop_run_until(&rig.loop, has_ended_one, &some, "some answers");
    if (seed & 1) {
        enlh_kvp_destroy(service);
        loop_run_idle(&rig.loop);
        rig_leave(&rig);
    } else {
        rig_leave(&rig);
        enlh_kvp_destroy(service);
    }
    loop_check(heard.ended == 8);
    rig_end(&rig);
}

int
main(int argc, char **argv)
{
    static const struct loop_case cases[] = {
        {"kvp_reads_and_writes_the_guests_pool", kvp_reads_and_writes_the_guests_pool,
         30},
        {"kvp_queue_keeps_its_order", kvp_queue_keeps_its_order, 30},
        {"kvp_ends_what_it_was_asked", kvp_ends_what_it_was_asked, 60},
    };

    return loop_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
