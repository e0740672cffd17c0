/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_kvp.c - the guest's key-value pairs, and hosts that lie
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/kvp.h"
#include "enlight/guest/kvp.h"
#include "guest_ic_rig.h"

#define ITEMS 3u

static struct enlg_ic ic;
static struct enlg_kvp_item pool[ITEMS]; /* of the guest; an empty key: none */
static struct enlg_kvp_ip injected;
static uint32_t calls;
static int forced; /* what the kernel answers, while not 0 */
static struct enlg_kvp_ops ops;

static struct enlg_kvp_item *
find(const char *key)
{
    for (uint32_t i = 0; i < ITEMS; i++)
        if (strcmp(pool[i].key, key) == 0)
            return &pool[i];
    return NULL;
}

static int
on_get(void *ctx, uint32_t number, struct enlg_kvp_item *item)
{
    const struct enlg_kvp_item *found = find(item->key);

    (void)ctx;
    calls++;
    if (forced)
        return forced;
    if (number != ENL_KVP_POOL_GUEST)
        return -ENL_E_NOTSUP;
    if (!found)
        return -ENL_E_NOENT;
    memcpy(item->value, found->value, sizeof(item->value));
    return 0;
}

static int
on_set(void *ctx, uint32_t number, const struct enlg_kvp_item *item)
{
    struct enlg_kvp_item *to = find(item->key);

    (void)ctx;
    (void)number;
    calls++;
    if (!to)
        to = find("");
    if (!to)
        return -ENL_E_NOSPC;
    *to = *item;
    return 0;
}

static int
on_remove(void *ctx, uint32_t number, const char *key)
{
    struct enlg_kvp_item *found = find(key);

    (void)ctx;
    (void)number;
    calls++;
    if (!found)
        return -ENL_E_NOENT;
    memset(found, 0, sizeof(*found));
    return 0;
}

static int
on_list(void *ctx, uint32_t number, uint32_t index, struct enlg_kvp_item *item)
{
    (void)ctx;
    (void)number;
    calls++;
    if (index >= ITEMS || !pool[index].key[0])
        return -ENL_E_NOENT;
    *item = pool[index];
    return 0;
}

static int
on_get_ip(void *ctx, struct enlg_kvp_ip *ip)
{
    (void)ctx;
    calls++;
    if (strcmp(ip->adapter, "00:15:5D:00:00:01") != 0)
        return -ENL_E_NOENT;
    ip->families = ENL_KVP_IPV4;
    ip->dhcp = true;
    strcpy(ip->address, "10.0.2.15;fe80::1");
    strcpy(ip->subnet, "255.255.255.0;/64");
    strcpy(ip->gateway, "10.0.2.2");
    strcpy(ip->dns, "10.0.2.3");
    return forced;
}

static int
on_set_ip(void *ctx, const struct enlg_kvp_ip *ip)
{
    (void)ctx;
    calls++;
    injected = *ip;
    return forced;
}

static int
setup(void **state)
{
    static const struct enlg_kvp_ops all = {on_get,  on_set,    on_remove,
                                            on_list, on_get_ip, on_set_ip};
    struct enlg_ic_config config = {
        .size = sizeof(config), .ring = ic_rings(), .buffer = rig_page(40)};

    assert_int_equal(bus_setup_offered(state), 0);
    config.ring = ic_rings();
    config.buffer = rig_page(40);
    memset(pool, 0, sizeof(pool));
    memset(&injected, 0, sizeof(injected));
    calls = 0;
    forced = 0;
    ops = all;
    assert_int_equal(enlg_kvp_start(&ic, bus.channel, &config, &ops), 0);
    ic_opens(&ic);
    ic_agree(&ic, 4, 0);
    return 0;
}

static uint32_t
ask(const void *body, size_t len)
{
    ic_ask(ENL_IC_KVP, body, (uint16_t)len);
    assert_int_equal(enlg_ic_poll(&ic), 1);
    return ic_answered();
}

/* A message of one key and one value, in the form of GET and SET. */
static struct enl_kvp_item
item_of(uint8_t operation, const char *key, const char *value)
{
    struct enl_kvp_item message = {
        .header = {.operation = operation, .pool = ENL_KVP_POOL_GUEST}};

    message.data.value_type = ENL_KVP_STRING;
    message.data.key_len = (uint32_t)enl_kvp_write(
        message.data.key, sizeof(message.data.key), key, strlen(key));
    message.data.value_len = (uint32_t)enl_kvp_write(
        message.data.value, sizeof(message.data.value), value, strlen(value));
    return message;
}

static uint32_t
set(const char *key, const char *value)
{
    struct enl_kvp_item message = item_of(ENL_KVP_SET, key, value);

    return ask(&message, sizeof(message));
}

/* ---- items ---- */

static void
set_and_get(void **state)
{
    struct enl_kvp_item message = item_of(ENL_KVP_GET, "sch\xC3\xB6n", "");
    const struct enl_kvp_item *answer = (const void *)ic_answer;
    char text[64];

    (void)state;
    assert_int_equal(set("sch\xC3\xB6n", "w\xC3\xA4rme"), ENL_IC_STATUS_SUCCESS);
    assert_string_equal(pool[0].key, "sch\xC3\xB6n");
    assert_string_equal(pool[0].value, "w\xC3\xA4rme");
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_SUCCESS);
    assert_int_equal(answer->data.value_type, ENL_KVP_STRING);
    assert_int_equal(answer->data.value_len, 12);
    assert_int_equal(enl_kvp_read_value(&answer->data, text, sizeof(text)), 6);
    assert_string_equal(text, "w\xC3\xA4rme");
}

static void
set_of_a_number_is_text(void **state)
{
    struct enl_kvp_item message = item_of(ENL_KVP_SET, "number", "");

    (void)state;
    message.data.value_type = ENL_KVP_U32;
    message.data.value_len = 4;
    message.data.value[1] = 1;
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_SUCCESS);
    assert_string_equal(pool[0].value, "256");
}

static void
delete_takes_away(void **state)
{
    struct enl_kvp_delete message = {
        .header = {.operation = ENL_KVP_DELETE, .pool = ENL_KVP_POOL_GUEST}};

    (void)state;
    assert_int_equal(set("a", "1"), ENL_IC_STATUS_SUCCESS);
    message.key_len = (uint32_t)enl_kvp_write(message.key, sizeof(message.key), "a", 1);
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_SUCCESS);
    assert_int_equal(pool[0].key[0], 0);
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_NO_MORE_ITEMS);
    message.key_len = sizeof(message.key) + 1;
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_INVALID_ARGUMENT);
}

static void
list_ends_with_no_more_items(void **state)
{
    struct enl_kvp_enumerate message = {
        .header = {.operation = ENL_KVP_ENUMERATE, .pool = ENL_KVP_POOL_GUEST}};
    const struct enl_kvp_enumerate *answer = (const void *)ic_answer;
    char text[64];

    (void)state;
    assert_int_equal(set("one", "1"), ENL_IC_STATUS_SUCCESS);
    assert_int_equal(set("two", "2"), ENL_IC_STATUS_SUCCESS);
    message.index = 1;
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_SUCCESS);
    assert_int_equal(answer->index, 1);
    assert_int_equal(enl_kvp_read_key(&answer->data, text, sizeof(text)), 3);
    assert_string_equal(text, "two");
    message.index = 2;
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_NO_MORE_ITEMS);
    message.index = UINT32_MAX;
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_NO_MORE_ITEMS);
}

static void
longest_texts_fit(void **state)
{
    char key[ENL_KVP_KEY_LEN / 2], value[ENL_KVP_VALUE_LEN / 2];

    (void)state;
    memset(key, 'k', sizeof(key));
    memset(value, 'v', sizeof(value));
    key[sizeof(key) - 1] = value[sizeof(value) - 1] = '\0';
    assert_int_equal(set(key, value), ENL_IC_STATUS_SUCCESS);
    assert_string_equal(pool[0].key, key);
    assert_string_equal(pool[0].value, value);
}

/* ---- addresses ---- */

static struct enl_kvp_ip
ip_of(uint8_t operation, const char *adapter)
{
    struct enl_kvp_ip message = {.operation = operation, .families = ENL_KVP_IPV4};

    assert_true(enl_kvp_write(message.adapter, sizeof(message.adapter), adapter,
                              strlen(adapter)) > 0);
    return message;
}

static void
addresses_are_told(void **state)
{
    struct enl_kvp_ip message = ip_of(ENL_KVP_GET_IP, "00:15:5D:00:00:01");
    const struct enl_kvp_ip *answer = (const void *)ic_answer;
    char text[64];

    (void)state;
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_SUCCESS);
    assert_int_equal(answer->families, ENL_KVP_IPV4);
    assert_int_equal(answer->dhcp, 1);
    assert_true(
        enl_kvp_read(answer->address, sizeof(answer->address), text, sizeof(text)) > 0);
    assert_string_equal(text, "10.0.2.15;fe80::1");
    assert_true(enl_kvp_read(answer->dns, sizeof(answer->dns), text, sizeof(text)) > 0);
    assert_string_equal(text, "10.0.2.3");
    message = ip_of(ENL_KVP_GET_IP, "00:15:5D:00:00:02");
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_NOT_FOUND);
}

static void
addresses_are_set(void **state)
{
    struct enl_kvp_ip message = ip_of(ENL_KVP_SET_IP, "{guid}");

    (void)state;
    assert_true(enl_kvp_write(message.address, sizeof(message.address), "10.1.1.5", 8) >
                0);
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_SUCCESS);
    assert_string_equal(injected.adapter, "{guid}");
    assert_string_equal(injected.address, "10.1.1.5");
    assert_string_equal(injected.gateway, "");
    assert_false(injected.dhcp);
}

/* ---- what cannot be ---- */

static void
pool_that_is_not_there_is_not_supported(void **state)
{
    struct enl_kvp_item message = item_of(ENL_KVP_GET, "a", "");

    (void)state;
    message.header.pool = ENL_KVP_POOL_AUTO;
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_NOT_SUPPORTED);
    message.header.pool = ENL_KVP_POOL_GUEST;
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_NO_MORE_ITEMS);
    forced = -ENL_E_IO;
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_FAIL);
}

static void
kernel_without_an_operation_says_so(void **state)
{
    static uint8_t body[sizeof(struct enl_kvp_ip)];

    (void)state;
    memset(&ops, 0, sizeof(ops));
    for (uint8_t operation = 0; operation <= ENL_KVP_SET_IP; operation++) {
        memset(body, 0, sizeof(body));
        body[0] = operation;
        body[4] = 4; /* the key's length, where DELETE has it ... */
        body[8] = operation == ENL_KVP_DELETE ? 'k' : 4; /* ... and where the others do */
        body[16] = 'k';
        assert_int_equal(ask(body, sizeof(body)), ENL_IC_STATUS_NOT_SUPPORTED);
    }
}

static void
message_that_is_wrong_never_reaches_the_kernel(void **state)
{
    struct enl_kvp_item message = item_of(ENL_KVP_SET, "key", "value");
    struct enl_kvp_item bad = message;
    struct enl_kvp_ip ip = ip_of(ENL_KVP_SET_IP, "a");

    (void)state;
    assert_int_equal(ask(&message, 3), ENL_IC_STATUS_FAIL);
    assert_int_equal(ask(&message, sizeof(message) - 1), ENL_IC_STATUS_INVALID_ARGUMENT);
    bad.header.operation = ENL_KVP_SET_IP + 1;
    assert_int_equal(ask(&bad, sizeof(bad)), ENL_IC_STATUS_NOT_SUPPORTED);
    bad.header.operation = ENL_KVP_SET_IP;
    assert_int_equal(ask(&bad, sizeof(bad)), ENL_IC_STATUS_INVALID_ARGUMENT);
    bad = message;
    bad.header.pool = ENL_KVP_POOLS;
    assert_int_equal(ask(&bad, sizeof(bad)), ENL_IC_STATUS_INVALID_ARGUMENT);
    bad = message;
    bad.data.key_len = ENL_KVP_KEY_LEN + 2;
    assert_int_equal(ask(&bad, sizeof(bad)), ENL_IC_STATUS_INVALID_ARGUMENT);
    bad = message;
    bad.data.key_len = 0;
    assert_int_equal(ask(&bad, sizeof(bad)), ENL_IC_STATUS_INVALID_ARGUMENT);
    bad = message;
    bad.data.key[1] = 0xDC; /* half a character */
    assert_int_equal(ask(&bad, sizeof(bad)), ENL_IC_STATUS_INVALID_ARGUMENT);
    bad = message;
    bad.data.value_len = UINT32_MAX;
    assert_int_equal(ask(&bad, sizeof(bad)), ENL_IC_STATUS_INVALID_ARGUMENT);
    bad = message;
    bad.data.value_type = 7;
    assert_int_equal(ask(&bad, sizeof(bad)), ENL_IC_STATUS_INVALID_ARGUMENT);
    memset(ip.dns, 0xDC, sizeof(ip.dns));
    assert_int_equal(ask(&ip, sizeof(ip)), ENL_IC_STATUS_INVALID_ARGUMENT);
    assert_int_equal(calls, 0);
}

/* No zero anywhere: it ends with its field. */
static void
key_without_end_is_cut(void **state)
{
    struct enl_kvp_item message = item_of(ENL_KVP_SET, "k", "v");

    (void)state;
    for (uint32_t i = 0; i < sizeof(message.data.key); i += 2)
        message.data.key[i] = 'k';
    message.data.key_len = sizeof(message.data.key);
    for (uint32_t i = 0; i < sizeof(message.data.value); i += 2)
        message.data.value[i] = 'v';
    message.data.value_len = sizeof(message.data.value);
    assert_int_equal(ask(&message, sizeof(message)), ENL_IC_STATUS_SUCCESS);
    assert_int_equal(strlen(pool[0].key), sizeof(message.data.key) / 2);
    assert_int_equal(strlen(pool[0].value), sizeof(message.data.value) / 2);
}

#define CASE(f) cmocka_unit_test_setup(f, setup)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(set_and_get),
        CASE(set_of_a_number_is_text),
        CASE(delete_takes_away),
        CASE(list_ends_with_no_more_items),
        CASE(longest_texts_fit),
        CASE(addresses_are_told),
        CASE(addresses_are_set),
        CASE(pool_that_is_not_there_is_not_supported),
        CASE(kernel_without_an_operation_says_so),
        CASE(message_that_is_wrong_never_reaches_the_kernel),
        CASE(key_without_end_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
