/* SPDX-License-Identifier: BSD-2-Clause */
/* H16, H32, H33, S20: what a connection id reaches, and the status that decides a retry. */
#include "core_rig.h"

#include "enlight/abi/hypercall.h"

static struct {
    uint32_t calls, vp, type, len, id;
    uint16_t flag;
    uint8_t message[240];
    uint16_t answer;
} got;

static uint16_t
on_message(void *ctx, struct enlh_vp *vp, uint32_t type, const void *message,
           uint32_t len)
{
    assert_ptr_equal(ctx, &got);
    got.calls++;
    got.vp = vp->index;
    got.type = type;
    got.len = len;
    memcpy(got.message, message, len);
    return got.answer;
}

static uint16_t
on_event(void *ctx, uint32_t connection_id, uint16_t flag)
{
    assert_ptr_equal(ctx, &got);
    got.calls++;
    got.id = connection_id;
    got.flag = flag;
    return got.answer;
}

static int
connect_message(uint32_t id)
{
    memset(&got, 0, sizeof(got));
    return enlh_port_message(f.partition, id, on_message, &got);
}

static int
connect_events(uint32_t first, uint32_t count)
{
    memset(&got, 0, sizeof(got));
    return enlh_port_events(f.partition, first, count, on_event, &got);
}

static void
port_message_arrives_with_its_sender(void **state)
{
    uint8_t message[240];

    (void)state;
    for (uint32_t i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)i;
    assert_int_equal(connect_message(4), 0);
    assert_int_equal(fake_post(&f, 1, 4, 1, message, 240), 0);
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.vp, 1);
    assert_int_equal(got.type, 1);
    assert_int_equal(got.len, 240);
    assert_memory_equal(got.message, message, 240);
    assert_int_equal(fake_post(&f, 0, 4, 7, message, 0), 0);
    assert_int_equal(got.len, 0);
}

/* A guest that posts fast is told to wait often; the log is for what is wrong. */
static void
port_that_asks_to_wait_leaves_the_log_alone(void **state)
{
    (void)state;
    assert_int_equal(connect_message(1), 0);
    got.answer = ENL_HV_STATUS_INSUFFICIENT_BUFFERS;
    fake_post(&f, 0, 1, 1, "", 1);
    assert_int_equal(f.log_count, 0);
    got.answer = ENL_HV_STATUS_INSUFFICIENT_MEMORY;
    fake_post(&f, 0, 1, 1, "", 1);
    assert_int_equal(f.log_count, 1);
}

/* H16: the port's own answer reaches the guest as it is. */
static void
port_answer_is_the_calls_status(void **state)
{
    static const uint16_t answer[] = {
        ENL_HV_STATUS_INSUFFICIENT_BUFFERS, ENL_HV_STATUS_INVALID_CONNECTION_ID,
        ENL_HV_STATUS_INSUFFICIENT_MEMORY, ENL_HV_STATUS_INVALID_SYNIC_STATE};

    (void)state;
    assert_int_equal(connect_message(1), 0);
    assert_int_equal(connect_events(2, 1), 0);
    for (size_t i = 0; i < sizeof(answer) / sizeof(answer[0]); i++) {
        got.answer = answer[i];
        assert_int_equal(fake_post(&f, 0, 1, 1, "", 1), answer[i]);
        assert_int_equal(fake_signal(&f, 0, 2, 0), answer[i]);
    }
}

/* What Linux takes for "step the version down": not 0x11, not 3. */
static void
port_unknown_is_0x12(void **state)
{
    (void)state;
    assert_int_equal(connect_message(1), 0);
    assert_int_equal(fake_post(&f, 0, 4, 1, "", 1), ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(fake_post(&f, 0, 0, 1, "", 1), ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(fake_post(&f, 0, 0x1000001, 1, "", 1),
                     ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(fake_post(&f, 0, UINT32_MAX, 1, "", 1),
                     ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(fake_signal(&f, 0, 77, 0), ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(got.calls, 0);
}

static void
port_of_the_other_kind_is_0x11(void **state)
{
    (void)state;
    assert_int_equal(connect_message(1), 0);
    assert_int_equal(connect_events(2, 1), 0);
    assert_int_equal(fake_post(&f, 0, 2, 1, "", 1), ENL_HV_STATUS_INVALID_PORT_ID);
    assert_int_equal(fake_signal(&f, 0, 1, 0), ENL_HV_STATUS_INVALID_PORT_ID);
    assert_int_equal(got.calls, 0);
}

static void
port_message_fields_are_checked(void **state)
{
    struct enl_hv_post_message *input = fake_at(&f, FAKE_INPUT_GPA, sizeof(*input));

    (void)state;
    assert_int_equal(connect_message(1), 0);
    assert_int_equal(fake_post(&f, 0, 1, 0, "", 1), ENL_HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(fake_post(&f, 0, 1, 0x80000001, "", 1),
                     ENL_HV_STATUS_INVALID_PARAMETER);
    input->connection_id = 1;
    input->message_type = 1;
    input->payload_len = 241;
    assert_int_equal(fake_hypercall(&f, 0, ENL_CALL_POST_MESSAGE, FAKE_INPUT_GPA, 0),
                     ENL_HV_STATUS_INVALID_PARAMETER);
    input->payload_len = UINT32_MAX;
    assert_int_equal(fake_hypercall(&f, 0, ENL_CALL_POST_MESSAGE, FAKE_INPUT_GPA, 0),
                     ENL_HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(got.calls, 0);
    /* All 256 bytes are input, so all of them must be in the page. */
    assert_int_equal(
        fake_hypercall(&f, 0, ENL_CALL_POST_MESSAGE, FAKE_INPUT_GPA + 4096 - 248, 0),
        ENL_HV_STATUS_INVALID_ALIGNMENT);
    assert_int_equal(fake_hypercall(&f, 0, ENL_CALL_POST_MESSAGE | ENL_HCALL_FAST, 1, 0),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
}

static void
port_signal_comes_fast_and_from_memory(void **state)
{
    struct enl_hv_signal_event *input = fake_at(&f, FAKE_INPUT_GPA, sizeof(*input));

    (void)state;
    assert_int_equal(connect_events(0x2000, 2048), 0);
    assert_int_equal(fake_signal(&f, 0, 0x2007, 0), 0);
    assert_int_equal(got.id, 0x2007);
    assert_int_equal(got.flag, 0);
    *input = (struct enl_hv_signal_event){.connection_id = 0x27ff, .flag_number = 9};
    assert_int_equal(fake_hypercall(&f, 0, ENL_CALL_SIGNAL_EVENT, FAKE_INPUT_GPA, 0), 0);
    assert_int_equal(got.id, 0x27ff);
    assert_int_equal(got.flag, 9);
    assert_int_equal(fake_signal(&f, 0, 0x2800, 0), ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(fake_signal(&f, 0, 0x1fff, 0), ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(got.calls, 2);
}

static void
port_ranges_do_not_overlap(void **state)
{
    (void)state;
    assert_int_equal(connect_events(100, 10), 0);
    assert_err(connect_events(100, 10), ENL_E_EXIST);
    assert_err(connect_events(95, 6), ENL_E_EXIST);
    assert_err(connect_events(109, 1), ENL_E_EXIST);
    assert_err(connect_events(90, 100), ENL_E_EXIST);
    assert_err(connect_message(105), ENL_E_EXIST);
    assert_int_equal(connect_events(95, 5), 0);
    assert_int_equal(connect_events(110, 1), 0);
}

static void
port_ids_have_24_bits(void **state)
{
    (void)state;
    assert_err(connect_message(0x1000000), ENL_E_INVAL);
    assert_err(connect_events(0xffffff, 2), ENL_E_INVAL);
    assert_err(connect_events(1, UINT32_MAX), ENL_E_INVAL);
    assert_err(connect_events(1, 0), ENL_E_INVAL);
    assert_int_equal(connect_events(0xffffff, 1), 0);
    assert_int_equal(fake_signal(&f, 0, 0xffffff, 0), 0);
}

static void
port_goes_as_it_came(void **state)
{
    (void)state;
    assert_int_equal(connect_message(1), 0);
    assert_int_equal(connect_events(100, 10), 0);
    assert_err(enlh_port_events(f.partition, 100, 5, NULL, NULL), ENL_E_INVAL);
    assert_err(enlh_port_events(f.partition, 101, 9, NULL, NULL), ENL_E_INVAL);
    assert_err(enlh_port_message(f.partition, 100, NULL, NULL), ENL_E_INVAL);
    assert_int_equal(fake_signal(&f, 0, 105, 0), 0);
    assert_int_equal(enlh_port_events(f.partition, 100, 10, NULL, NULL), 0);
    assert_int_equal(fake_signal(&f, 0, 105, 0), ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(enlh_port_events(f.partition, 100, 10, NULL, NULL), 0);
    assert_int_equal(enlh_port_message(f.partition, 1, NULL, NULL), 0);
    assert_int_equal(fake_post(&f, 0, 1, 1, "", 1), ENL_HV_STATUS_INVALID_CONNECTION_ID);
}

/* As many single ids as a bus has channels, connected and taken away in any order. */
static void
port_table_holds_every_channel(void **state)
{
    const uint32_t count = 2047;

    (void)state;
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(connect_events(0x2000 | (i * 1021 % count), 1), 0);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(fake_signal(&f, 0, 0x2000 | i, 0), 0);
        assert_int_equal(got.id, 0x2000 | i);
    }
    for (uint32_t i = 0; i < count; i += 2)
        assert_int_equal(enlh_port_events(f.partition, 0x2000 | i, 1, NULL, NULL), 0);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(fake_signal(&f, 0, 0x2000 | i, 0),
                         i % 2 == 0 ? ENL_HV_STATUS_INVALID_CONNECTION_ID : 0);
}

static void
port_table_has_an_end(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 8192; i++)
        assert_int_equal(connect_events(3 * i, 2), 0);
    assert_err(connect_events(0x800000, 1), ENL_E_NOSPC);
    assert_int_equal(fake_signal(&f, 0, 3 * 8191 + 1, 0), 0);
    assert_int_equal(enlh_port_events(f.partition, 300, 2, NULL, NULL), 0);
    assert_int_equal(connect_events(0x800000, 1), 0);
}

static void
port_table_without_memory_refuses(void **state)
{
    (void)state;
    f.alloc_countdown = 0;
    assert_err(connect_message(1), ENL_E_NOSPC);
    f.alloc_countdown = 1;
    assert_err(connect_message(1), ENL_E_NOSPC);
    f.alloc_countdown = -1;
    assert_int_equal(connect_message(1), 0);
    assert_int_equal(fake_post(&f, 0, 1, 1, "", 1), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(port_message_arrives_with_its_sender),
        CASE(port_answer_is_the_calls_status),
        CASE(port_that_asks_to_wait_leaves_the_log_alone),
        CASE(port_unknown_is_0x12),
        CASE(port_of_the_other_kind_is_0x11),
        CASE(port_message_fields_are_checked),
        CASE(port_signal_comes_fast_and_from_memory),
        CASE(port_ranges_do_not_overlap),
        CASE(port_ids_have_24_bits),
        CASE(port_goes_as_it_came),
        CASE(port_table_holds_every_channel),
        CASE(port_table_has_an_end),
        CASE(port_table_without_memory_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
