/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/kvp_requests.c - key-value pairs: what is asked, what is believed, how it ends */
#include <string.h>

#include "common/kvp.h"
#include "enlight/host/kvp.h"
#include "fake_pipe.h"

#define V(major, minor) ((uint32_t)(major) << 16 | (minor))

enum { BODY = sizeof(struct enl_ic_message), ANSWERS = 64 };

static struct fake_pipe pipe;
static struct enlh_kvp *service;

/* What the embedder was told, in order. */
static struct {
    struct {
        bool last;
        int result;
        uint32_t status;
        char key[16], value[16], address[32], gateway[16];
        uint32_t families;
        void *ctx;
    } answer[ANSWERS];
    uint32_t count;
} told;

static void
copy(char *to, size_t size, const char *from)
{
    assert_true(strlen(from) < size);
    strcpy(to, from);
}

static void
on_answer(void *ctx, const struct enlh_kvp_answer *answer)
{
    assert_true(told.count < ANSWERS);
    told.answer[told.count].ctx = ctx;
    told.answer[told.count].last = answer->last;
    told.answer[told.count].result = answer->result;
    told.answer[told.count].status = answer->status;
    if (answer->item) {
        copy(told.answer[told.count].key, 16, answer->item->key);
        copy(told.answer[told.count].value, 16, answer->item->value);
    }
    if (answer->ip) {
        copy(told.answer[told.count].key, 16, answer->ip->adapter);
        copy(told.answer[told.count].address, 32, answer->ip->address);
        copy(told.answer[told.count].gateway, 16, answer->ip->gateway);
        told.answer[told.count].families = answer->ip->families;
    }
    told.count++;
}

static int
setup(void **state)
{
    (void)state;
    memset(&told, 0, sizeof(told));
    pipe_start(&pipe);
    assert_int_equal(enlh_kvp_create(&pipe.bus, &pipe.config, &service), 0);
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    enlh_kvp_destroy(service);
    pipe_stop(&pipe);
    return 0;
}

static int
ask(enum enlh_kvp_operation operation, const char *key, const char *value)
{
    struct enlh_kvp_request request = {.size = sizeof(request),
                                       .operation = operation,
                                       .pool = ENL_KVP_POOL_GUEST,
                                       .key = key,
                                       .value = value,
                                       .fn = on_answer};
    int result = enlh_kvp_ask(service, &request);

    pipe_run(&pipe);
    return result;
}

static int
ask_ip(enum enlh_kvp_operation operation, const struct enlh_kvp_ip *ip)
{
    struct enlh_kvp_request request = {
        .size = sizeof(request), .operation = operation, .ip = ip, .fn = on_answer};
    int result = enlh_kvp_ask(service, &request);

    pipe_run(&pipe);
    return result;
}

/* The message of the host, its body at an aligned place. */
static struct pipe_message message;
static union {
    struct enl_kvp_item item;
    struct enl_kvp_delete gone;
    struct enl_kvp_enumerate list;
    struct enl_kvp_ip ip;
} body;

static void
take(uint32_t len)
{
    memset(&body, 0, sizeof(body));
    pipe_take(&pipe, &message);
    assert_int_equal(message.head.ic.message_type, ENL_IC_KVP);
    assert_int_equal(message.head.ic.size, len);
    assert_int_equal(message.len, BODY + len);
    memcpy(&body, message.bytes + BODY, len);
}

/* The guest's answer: the body as it is now. */
static int
answer(uint32_t status)
{
    memcpy(message.bytes + BODY, &body, message.len - BODY);
    message.head.ic.status = status;
    return pipe_answer(&pipe, &message);
}

static uint32_t
put(uint8_t *field, size_t len, const char *text)
{
    int used = enl_kvp_write(field, len, text, len);

    assert_true(used > 0);
    return (uint32_t)used;
}

static void
put_item(struct enl_kvp_value *data, const char *key, const char *value)
{
    data->value_type = ENL_KVP_STRING;
    data->key_len = put(data->key, sizeof(data->key), key);
    data->value_len = put(data->value, sizeof(data->value), value);
}

static void
assert_told(uint32_t count, int result)
{
    assert_int_equal(told.count, count);
    assert_true(told.answer[count - 1].last);
    assert_int_equal(told.answer[count - 1].result, result);
}

static void
tick(uint32_t count)
{
    while (count-- > 0)
        enlh_kvp_tick(service);
    pipe_run(&pipe);
}

/* ---- items ---- */

static void
set_sends_key_and_value(void **state)
{
    char text[16];

    (void)state;
    assert_int_equal(ask(ENLH_KVP_SET, "gr\xC3\xBC\xC3\x9F", "dich"), 0);
    take(ENL_KVP_ITEM_LEN);
    assert_int_equal(body.item.header.operation, ENL_KVP_SET);
    assert_int_equal(body.item.header.pool, ENL_KVP_POOL_GUEST);
    assert_int_equal(body.item.data.value_type, ENL_KVP_STRING);
    assert_int_equal(body.item.data.key_len, 10);
    assert_int_equal(body.item.data.value_len, 10);
    assert_int_equal(enl_kvp_read_key(&body.item.data, text, sizeof(text)), 6);
    assert_string_equal(text, "gr\xC3\xBC\xC3\x9F");
    assert_int_equal(enl_kvp_read_value(&body.item.data, text, sizeof(text)), 4);
    assert_string_equal(text, "dich");
    assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    assert_told(1, 0);
}

static void
get_tells_the_value(void **state)
{
    (void)state;
    assert_int_equal(ask(ENLH_KVP_GET, "key", "not sent"), 0);
    take(ENL_KVP_ITEM_LEN);
    assert_int_equal(body.item.header.operation, ENL_KVP_GET);
    assert_int_equal(body.item.data.value_len, 2);
    put_item(&body.item.data, "key", "value");
    assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    assert_told(1, 0);
    assert_string_equal(told.answer[0].key, "key");
    assert_string_equal(told.answer[0].value, "value");
}

static void
delete_sends_the_key(void **state)
{
    (void)state;
    assert_int_equal(ask(ENLH_KVP_DELETE, "key", NULL), 0);
    take(ENL_KVP_ITEM_LEN);
    assert_int_equal(body.gone.header.operation, ENL_KVP_DELETE);
    assert_int_equal(body.gone.key_len, 8);
    assert_memory_equal(body.gone.key, "k\0e\0y\0\0\0", 8);
    assert_int_equal(answer(ENL_IC_STATUS_NO_MORE_ITEMS), 0);
    assert_told(1, -ENL_E_NOENT);
    assert_int_equal(told.answer[0].status, ENL_IC_STATUS_NO_MORE_ITEMS);
}

static void
list_walks_the_pool_to_its_end(void **state)
{
    static const char *keys[] = {"a", "b", "c"};

    (void)state;
    assert_int_equal(ask(ENLH_KVP_LIST, NULL, NULL), 0);
    for (uint32_t i = 0; i < 3; i++) {
        take(ENL_KVP_ITEM_LEN);
        assert_int_equal(body.list.header.operation, ENL_KVP_ENUMERATE);
        assert_int_equal(body.list.index, i);
        put_item(&body.list.data, keys[i], "x");
        assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
        assert_int_equal(told.count, i + 1);
        assert_false(told.answer[i].last);
        assert_string_equal(told.answer[i].key, keys[i]);
    }
    take(ENL_KVP_ITEM_LEN);
    assert_int_equal(body.list.index, 3);
    assert_int_equal(answer(ENL_IC_STATUS_NO_MORE_ITEMS), 0);
    assert_told(4, 0);
    pipe_assert_silent(&pipe);
}

static void
list_without_end_is_cut_off(void **state)
{
    uint32_t items = 0;

    (void)state;
    assert_int_equal(ask(ENLH_KVP_LIST, NULL, NULL), 0);
    while (pipe.sent_count) {
        told.count = 0;
        take(ENL_KVP_ITEM_LEN);
        put_item(&body.list.data, "again", "x");
        assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
        items++;
    }
    assert_int_equal(items, 1024);
    assert_told(2, -ENL_E_NOSPC);
}

static void
list_passes_over_what_is_no_text(void **state)
{
    (void)state;
    assert_int_equal(ask(ENLH_KVP_LIST, NULL, NULL), 0);
    take(ENL_KVP_ITEM_LEN);
    put_item(&body.list.data, "a", "x");
    body.list.data.key[1] = 0xDC;
    assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    take(ENL_KVP_ITEM_LEN);
    put_item(&body.list.data, "b", "x");
    body.list.data.value_len = ENL_KVP_VALUE_LEN + 1;
    assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    take(ENL_KVP_ITEM_LEN);
    assert_int_equal(body.list.index, 2);
    put_item(&body.list.data, "c", "x");
    assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.answer[0].key, "c");
}

/* ---- addresses ---- */

static void
addresses_are_asked_for(void **state)
{
    struct enlh_kvp_ip ip = {.adapter = "00:15", .address = "not sent"};

    (void)state;
    assert_int_equal(ask_ip(ENLH_KVP_GET_IP, &ip), 0);
    take(sizeof(body.ip));
    assert_int_equal(body.ip.operation, ENL_KVP_GET_IP);
    assert_memory_equal(body.ip.adapter, "0\0000\0:\0001\0005\0\0\0", 12);
    assert_int_equal(body.ip.address[0], 0);
    body.ip.families = ENL_KVP_IPV4 | ENL_KVP_IPV6;
    put(body.ip.address, sizeof(body.ip.address), "10.0.2.15;fe80::1");
    put(body.ip.gateway, sizeof(body.ip.gateway), "10.0.2.2");
    assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    assert_told(1, 0);
    assert_string_equal(told.answer[0].key, "00:15");
    assert_string_equal(told.answer[0].address, "10.0.2.15;fe80::1");
    assert_string_equal(told.answer[0].gateway, "10.0.2.2");
    assert_int_equal(told.answer[0].families, 3);
}

static void
addresses_are_injected(void **state)
{
    struct enlh_kvp_ip ip = {.adapter = "{guid}",
                             .families = ENL_KVP_IPV4,
                             .address = "10.1.1.5",
                             .subnet = "255.0.0.0",
                             .gateway = "10.1.1.1",
                             .dns = "10.1.1.2"};

    (void)state;
    assert_int_equal(ask_ip(ENLH_KVP_SET_IP, &ip), 0);
    take(sizeof(body.ip));
    assert_int_equal(body.ip.operation, ENL_KVP_SET_IP);
    assert_int_equal(body.ip.families, ENL_KVP_IPV4);
    assert_int_equal(body.ip.dhcp, 0);
    assert_memory_equal(body.ip.address, "1\0000\0.\0001\0", 8);
    assert_memory_equal(body.ip.subnet, "2\0005\0", 4);
    assert_memory_equal(body.ip.gateway, "1\0000\0", 4);
    assert_memory_equal(body.ip.dns, "1\0000\0", 4);
    assert_int_equal(answer(ENL_IC_STATUS_NOT_FOUND), 0);
    assert_told(1, -ENL_E_NOENT);
}

static void
adapter_is_spelt_as_guests_compare_it(void **state)
{
    struct enlh_kvp_ip ip = {.adapter = "5d:Zz@[`{\xc3\xa4"};

    (void)state;
    assert_int_equal(ask_ip(ENLH_KVP_GET_IP, &ip), 0);
    take(sizeof(body.ip));
    assert_memory_equal(body.ip.adapter, "5\0D\0:\0Z\0Z\0@\0[\0`\0{\0\xe4\0\0", 22);
    assert_int_equal(answer(ENL_IC_STATUS_NOT_FOUND), 0);
    assert_int_equal(ask_ip(ENLH_KVP_SET_IP, &ip), 0);
    take(sizeof(body.ip));
    assert_memory_equal(body.ip.adapter, "5\0d\0:\0z\0z\0@\0[\0`\0{\0\xe4\0\0", 22);
}

static void
addresses_need_version_4(void **state)
{
    struct enlh_kvp_ip ip = {.adapter = "a"};

    (void)state;
    pipe_close(&pipe);
    pipe_open(&pipe);
    assert_int_equal(pipe_choose(&pipe, V(3, 0), V(3, 0)), 0);
    assert_int_equal(ask_ip(ENLH_KVP_GET_IP, &ip), -ENL_E_NOTSUP);
    assert_int_equal(ask_ip(ENLH_KVP_SET_IP, &ip), -ENL_E_NOTSUP);
    assert_int_equal(ask(ENLH_KVP_LIST, NULL, NULL), 0);
}

/* ---- the queue ---- */

static void
one_request_is_under_way(void **state)
{
    (void)state;
    assert_int_equal(ask(ENLH_KVP_SET, "a", "1"), 0);
    assert_int_equal(ask(ENLH_KVP_SET, "b", "2"), 0);
    take(ENL_KVP_ITEM_LEN);
    pipe_assert_silent(&pipe);
    assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    take(ENL_KVP_ITEM_LEN);
    assert_int_equal(body.item.data.key[0], 'b');
    assert_int_equal(answer(ENL_IC_STATUS_FAIL), 0);
    assert_told(2, -ENL_E_IO);
}

static void
queue_is_bounded(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ENLH_KVP_QUEUE; i++)
        assert_int_equal(ask(ENLH_KVP_LIST, NULL, NULL), 0);
    assert_int_equal(ask(ENLH_KVP_LIST, NULL, NULL), -ENL_E_AGAIN);
    take(ENL_KVP_ITEM_LEN);
    assert_int_equal(answer(ENL_IC_STATUS_NO_MORE_ITEMS), 0);
    assert_int_equal(ask(ENLH_KVP_LIST, NULL, NULL), 0);
}

static void
closed_service_takes_no_request(void **state)
{
    struct enlh_kvp_request request = {
        .size = sizeof(request), .operation = ENLH_KVP_LIST, .fn = on_answer};

    (void)state;
    assert_int_equal(ask(ENLH_KVP_LIST, NULL, NULL), 0);
    assert_int_equal(ask(ENLH_KVP_LIST, NULL, NULL), 0);
    pipe_close(&pipe);
    assert_told(2, -ENL_E_CONNRESET);
    assert_int_equal(enlh_kvp_ask(service, &request), -ENL_E_AGAIN);
    enlh_kvp_tick(service);
    pipe_open(&pipe);
    assert_int_equal(enlh_kvp_ask(service, &request), -ENL_E_AGAIN);
    pipe_negotiate(&pipe);
    pipe_assert_silent(&pipe);
}

static void
silence_ends_a_request(void **state)
{
    (void)state;
    assert_int_equal(ask(ENLH_KVP_SET, "a", "1"), 0);
    tick(ENLH_KVP_TIMEOUT - 1);
    assert_int_equal(told.count, 0);
    assert_int_equal(ask(ENLH_KVP_SET, "b", "2"), 0);
    tick(1);
    assert_told(1, -ENL_E_TIMEDOUT);
    take(ENL_KVP_ITEM_LEN);
    pipe_assert_silent(&pipe); /* the guest still has the first */
    assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    assert_int_equal(told.count, 1);
    take(ENL_KVP_ITEM_LEN);
    assert_int_equal(body.item.data.key[0], 'b');
    assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    assert_told(2, 0);
}

static void
item_of_a_list_is_a_sign_of_life(void **state)
{
    (void)state;
    assert_int_equal(ask(ENLH_KVP_LIST, NULL, NULL), 0);
    for (uint32_t i = 0; i < 3; i++) {
        tick(ENLH_KVP_TIMEOUT - 1);
        take(ENL_KVP_ITEM_LEN);
        put_item(&body.list.data, "a", "x");
        assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    }
    tick(ENLH_KVP_TIMEOUT);
    assert_told(4, -ENL_E_TIMEDOUT);
}

static void
ring_too_small_ends_the_request(void **state)
{
    (void)state;
    pipe.send_result = -ENL_E_AGAIN;
    assert_int_equal(ask(ENLH_KVP_LIST, NULL, NULL), 0);
    assert_int_equal(told.count, 0);
    pipe.send_result = -ENL_E_MSGSIZE;
    pipe_run(&pipe);
    assert_told(1, -ENL_E_MSGSIZE);
}

static void
fn_may_ask_again_body(void *ctx, const struct enlh_kvp_answer *answered)
{
    (void)ctx;
    on_answer(NULL, answered);
    if (told.count < 3) {
        struct enlh_kvp_request request = {.size = sizeof(request),
                                           .operation = ENLH_KVP_SET,
                                           .key = "k",
                                           .fn = fn_may_ask_again_body};

        assert_int_equal(enlh_kvp_ask(service, &request), 0);
    }
}

static void
fn_may_ask_again(void **state)
{
    struct enlh_kvp_request request = {.size = sizeof(request),
                                       .operation = ENLH_KVP_SET,
                                       .key = "k",
                                       .fn = fn_may_ask_again_body};

    (void)state;
    assert_int_equal(enlh_kvp_ask(service, &request), 0);
    pipe_run(&pipe);
    for (uint32_t i = 0; i < 3; i++) {
        take(ENL_KVP_ITEM_LEN);
        assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    }
    assert_told(3, 0);
    pipe_assert_silent(&pipe);
}

/* ---- lies ---- */

static void
answer_that_is_no_text_is_told(void **state)
{
    struct enlh_kvp_ip ip = {.adapter = "a"};

    (void)state;
    assert_int_equal(ask(ENLH_KVP_GET, "a", NULL), 0);
    take(ENL_KVP_ITEM_LEN);
    put_item(&body.item.data, "a", "x");
    body.item.data.value[1] = 0xD8;
    assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    assert_told(1, -ENL_E_PROTO);
    assert_int_equal(ask_ip(ENLH_KVP_GET_IP, &ip), 0);
    take(sizeof(body.ip));
    memset(body.ip.gateway, 0xDC, sizeof(body.ip.gateway));
    assert_int_equal(answer(ENL_IC_STATUS_SUCCESS), 0);
    assert_told(2, -ENL_E_PROTO);
}

static void
short_answer_is_told(void **state)
{
    (void)state;
    assert_int_equal(ask(ENLH_KVP_GET, "a", NULL), 0);
    take(ENL_KVP_ITEM_LEN);
    message.head.ic.size = 8;
    message.len = BODY + 8;
    message.head.pipe.size = 28;
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    assert_told(1, -ENL_E_PROTO);
}

static void
each_status_has_its_result(void **state)
{
    static const struct {
        uint32_t status;
        int result;
    } all[] = {
        {ENL_IC_STATUS_FAIL, -ENL_E_IO},
        {ENL_IC_STATUS_NOT_SUPPORTED, -ENL_E_NOTSUP},
        {ENL_IC_STATUS_DEVICE_NOT_CONNECTED, -ENL_E_NODEV},
        {ENL_IC_STATUS_NOT_FOUND, -ENL_E_NOENT},
        {1, -ENL_E_IO},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_int_equal(ask(ENLH_KVP_GET, "a", NULL), 0);
        take(ENL_KVP_ITEM_LEN);
        assert_int_equal(answer(all[i].status), 0);
        assert_told(i + 1, all[i].result);
        assert_int_equal(told.answer[i].status, all[i].status);
    }
}

static void
request_that_cannot_be_is_refused(void **state)
{
    static char longest[ENL_KVP_VALUE_LEN / 2 + 1];
    struct enlh_kvp_request request = {
        .size = sizeof(request), .operation = ENLH_KVP_LIST, .fn = on_answer};

    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    assert_int_equal(ask(ENLH_KVP_SET, NULL, "x"), -ENL_E_INVAL);
    assert_int_equal(ask(ENLH_KVP_SET, "", "x"), -ENL_E_INVAL);
    assert_int_equal(ask(ENLH_KVP_SET, "\xFF", "x"), -ENL_E_INVAL);
    assert_int_equal(ask(ENLH_KVP_SET, "a", longest), -ENL_E_MSGSIZE);
    longest[ENL_KVP_VALUE_LEN / 2 - 1] = '\0';
    assert_int_equal(ask(ENLH_KVP_SET, "a", longest), 0);
    longest[ENL_KVP_KEY_LEN / 2] = '\0';
    assert_int_equal(ask(ENLH_KVP_SET, longest, "x"), -ENL_E_MSGSIZE);
    longest[ENL_KVP_KEY_LEN / 2 - 1] = '\0';
    assert_int_equal(ask(ENLH_KVP_SET, longest, "x"), 0);
    assert_int_equal(ask_ip(ENLH_KVP_GET_IP, NULL), -ENL_E_INVAL);
    assert_int_equal(ask((enum enlh_kvp_operation)6, "a", "x"), -ENL_E_INVAL);
    request.pool = ENL_KVP_POOLS;
    assert_int_equal(enlh_kvp_ask(service, &request), -ENL_E_INVAL);
    assert_int_equal(told.count, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(set_sends_key_and_value),
        CASE(get_tells_the_value),
        CASE(delete_sends_the_key),
        CASE(list_walks_the_pool_to_its_end),
        CASE(list_without_end_is_cut_off),
        CASE(list_passes_over_what_is_no_text),
        CASE(addresses_are_asked_for),
        CASE(addresses_are_injected),
        CASE(adapter_is_spelt_as_guests_compare_it),
        CASE(addresses_need_version_4),
        CASE(one_request_is_under_way),
        CASE(queue_is_bounded),
        CASE(closed_service_takes_no_request),
        CASE(silence_ends_a_request),
        CASE(item_of_a_list_is_a_sign_of_life),
        CASE(ring_too_small_ends_the_request),
        CASE(fn_may_ask_again),
        CASE(answer_that_is_no_text_is_told),
        CASE(short_answer_is_told),
        CASE(each_status_has_its_result),
        CASE(request_that_cannot_be_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
