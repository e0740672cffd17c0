/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/kvp.c - the commands about the guest's key-value pairs and addresses
 *
 * Started by the loop; the guest's answers come on a channel's thread, are put into JSON
 * there and handed to the control socket. All text of the guest is UTF-8 by then.
 * Tests: test/os (DI06 to DI08).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/machine.h"

/* A command that waits for the guest. */
struct job {
    struct enlm_machine *machine;
    uint32_t ticket;
    json_t *value; /* what the answer will be, or NULL */
    char *key;     /* of KVP_GET: what is looked for in the list */
    bool found;
};

static void
job_end(struct job *job, int result, const char *why)
{
    struct enlm_control *control = job->machine->control;

    if (result) {
        json_decref(job->value);
        job->value = NULL;
    }
    if (control)
        enlm_control_answer(control, job->ticket, result, job->value, why);
    else
        json_decref(job->value);
    free(job->key);
    free(job);
}

static const char *
reason(int result)
{
    switch (result) {
    case -ENL_E_NOENT:
        return "the guest has no such pair, or no such adapter";
    case -ENL_E_NOTSUP:
        return "the guest does not do that";
    case -ENL_E_NODEV:
        return "nobody in the guest serves its pairs: is hv_kvp_daemon running?";
    case -ENL_E_PROTO:
        return "the guest's answer makes no sense";
    case -ENL_E_NOSPC:
        return "the guest's list has no end";
    case -ENL_E_TIMEDOUT:
        return "the guest does not answer";
    case -ENL_E_CONNRESET:
        return "the guest closed the service";
    default:
        return "the guest failed: is hv_kvp_daemon running?";
    }
}

/* ---- what the guest says ---- */

static void
on_done(void *ctx, const struct enlh_kvp_answer *answer)
{
    /* Class "no such device" is not what a missing pair is. */
    job_end(ctx, answer->result == -ENL_E_NOENT ? -ENL_E_IO : answer->result,
            reason(answer->result));
}

static void
on_list(void *ctx, const struct enlh_kvp_answer *answer)
{
    struct job *job = ctx;

    if (answer->item)
        json_array_append_new(job->value, json_pack("{ss, ss}", "key", answer->item->key,
                                                    "value", answer->item->value));
    if (answer->last)
        on_done(ctx, answer);
}

/* Linux's daemon answers a GET with an empty value, so its whole pool is asked for. */
static void
on_get(void *ctx, const struct enlh_kvp_answer *answer)
{
    struct job *job = ctx;

    if (answer->item && strcmp(answer->item->key, job->key) == 0) {
        json_decref(job->value);
        job->value =
            json_pack("{ss, ss}", "key", answer->item->key, "value", answer->item->value);
        job->found = true;
    }
    if (answer->last && answer->result == 0 && !job->found)
        job_end(job, -ENL_E_IO, reason(-ENL_E_NOENT));
    else if (answer->last)
        on_done(ctx, answer);
}

static void
on_ip(void *ctx, const struct enlh_kvp_answer *answer)
{
    struct job *job = ctx;
    const struct enlh_kvp_ip *ip = answer->ip;

    if (ip)
        job->value = json_pack("{ss, sb, sb, sb, ss, ss, ss, ss}", "adapter", ip->adapter,
                               "ipv4", (ip->families & ENL_KVP_IPV4) != 0, "ipv6",
                               (ip->families & ENL_KVP_IPV6) != 0, "dhcp", ip->dhcp,
                               "address", ip->address, "subnet", ip->subnet, "gateway",
                               ip->gateway, "dns", ip->dns);
    on_done(ctx, answer);
}

/* ---- asking it ---- */

static const char *
refusal(int err)
{
    switch (err) {
    case -ENL_E_AGAIN:
        return "no guest serves its key-value pairs now";
    case -ENL_E_NOTSUP:
        return "the version agreed on with the guest has no addresses";
    case -ENL_E_MSGSIZE:
        return "this is too long: 255 characters of a key, 1023 of a value";
    case -ENL_E_NOMEM:
        return "no memory";
    default:
        return "a key is not empty";
    }
}

/* Takes the job's value. */
static int
ask(struct enlm_machine *machine, struct enlh_kvp_request *request, const char *key,
    json_t *value, char why[ENLM_CONTROL_WHY])
{
    struct job *job = calloc(1, sizeof(*job));
    int err = job ? 0 : -ENL_E_NOMEM;

    if (job) {
        job->machine = machine;
        job->ticket = enlm_control_ticket(machine->control);
        job->value = value;
        job->key = strdup(key ? key : "");
        request->ctx = job;
        request->size = sizeof(*request);
        if (!job->key)
            err = -ENL_E_NOMEM;
    }
    if (!err && !machine->services.kvp)
        err = -ENL_E_AGAIN;
    if (!err)
        err = enlh_kvp_ask(machine->services.kvp, request);
    if (!err)
        return ENLM_CONTROL_LATER;
    if (job)
        free(job->key);
    free(job);
    json_decref(value);
    snprintf(why, ENLM_CONTROL_WHY, "%s", refusal(err));
    return err;
}

/* In the order of the wire's numbers. */
static uint32_t
pool_of(const json_t *arguments, uint32_t otherwise)
{
    static const char *const pools[] = {"external", "guest", "auto", "auto-external",
                                        "auto-internal"};
    const char *name = json_string_value(json_object_get(arguments, "pool"));

    for (uint32_t i = 0; name && i < ENL_KVP_POOLS; i++)
        if (strcmp(pools[i], name) == 0)
            return i;
    return otherwise;
}

static const char *
text_of(const json_t *arguments, const char *name)
{
    return json_string_value(json_object_get(arguments, name));
}

int
enlm_control_kvp_list(struct enlm_machine *machine, const json_t *arguments, json_t **out,
                      char why[ENLM_CONTROL_WHY])
{
    struct enlh_kvp_request request = {.operation = ENLH_KVP_LIST,
                                       .pool = pool_of(arguments, ENL_KVP_POOL_AUTO),
                                       .fn = on_list};

    (void)out;
    return ask(machine, &request, NULL, json_array(), why);
}

int
enlm_control_kvp_get(struct enlm_machine *machine, const json_t *arguments, json_t **out,
                     char why[ENLM_CONTROL_WHY])
{
    struct enlh_kvp_request request = {.operation = ENLH_KVP_LIST,
                                       .pool = pool_of(arguments, ENL_KVP_POOL_AUTO),
                                       .fn = on_get};

    (void)out;
    return ask(machine, &request, text_of(arguments, "key"), NULL, why);
}

int
enlm_control_kvp_set(struct enlm_machine *machine, const json_t *arguments, json_t **out,
                     char why[ENLM_CONTROL_WHY])
{
    struct enlh_kvp_request request = {.operation = ENLH_KVP_SET,
                                       .pool = pool_of(arguments, ENL_KVP_POOL_EXTERNAL),
                                       .key = text_of(arguments, "key"),
                                       .value = text_of(arguments, "value"),
                                       .fn = on_done};

    (void)out;
    return ask(machine, &request, NULL, NULL, why);
}

int
enlm_control_kvp_delete(struct enlm_machine *machine, const json_t *arguments,
                        json_t **out, char why[ENLM_CONTROL_WHY])
{
    struct enlh_kvp_request request = {.operation = ENLH_KVP_DELETE,
                                       .pool = pool_of(arguments, ENL_KVP_POOL_EXTERNAL),
                                       .key = text_of(arguments, "key"),
                                       .fn = on_done};

    (void)out;
    return ask(machine, &request, NULL, NULL, why);
}

int
enlm_control_ip_get(struct enlm_machine *machine, const json_t *arguments, json_t **out,
                    char why[ENLM_CONTROL_WHY])
{
    struct enlh_kvp_ip ip = {.adapter = text_of(arguments, "adapter")};
    struct enlh_kvp_request request = {
        .operation = ENLH_KVP_GET_IP, .ip = &ip, .fn = on_ip};

    (void)out;
    return ask(machine, &request, NULL, NULL, why);
}

int
enlm_control_ip_set(struct enlm_machine *machine, const json_t *arguments, json_t **out,
                    char why[ENLM_CONTROL_WHY])
{
    const char *instance = text_of(arguments, "adapter");
    char braced[48];
    struct enlh_kvp_ip ip = {.adapter = instance[0] == '{' ? instance : braced,
                             .families = ENL_KVP_IPV4 | ENL_KVP_IPV6,
                             .dhcp = json_is_true(json_object_get(arguments, "dhcp")),
                             .address = text_of(arguments, "address"),
                             .subnet = text_of(arguments, "subnet"),
                             .gateway = text_of(arguments, "gateway"),
                             .dns = text_of(arguments, "dns")};
    struct enlh_kvp_request request = {
        .operation = ENLH_KVP_SET_IP, .ip = &ip, .fn = on_done};

    (void)out;
    snprintf(braced, sizeof(braced), "{%s}", instance);
    return ask(machine, &request, NULL, NULL, why);
}
