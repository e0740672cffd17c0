/* SPDX-License-Identifier: BSD-2-Clause */
/* H05 to H07, O06: where the input and the output of a call may be, and how it gets there. */
#include "core_rig.h"

#include "enlight/abi/hypercall.h"
#include "host/core/hypercall.h"

#define ALIGNMENT  ENL_HV_STATUS_INVALID_ALIGNMENT
#define REPS(n)    ((uint64_t)(n) << ENL_HCALL_REP_COUNT_SHIFT)
#define VARHEAD(n) ((uint64_t)(n) << ENL_HCALL_VARHEAD_SHIFT)
#define PAGE       FAKE_INPUT_GPA

/* A call that copies its input to its output: 24 bytes each. */
static uint32_t runs;
static uint64_t seen[14];

static uint16_t
echo(struct enlh_vp *vp, struct enlh_call *call)
{
    (void)vp;
    runs++;
    for (uint32_t i = 0; i < 3; i++)
        call->output[i] = ~call->input[i];
    return call->input[0] == 0xbad ? ENL_HV_STATUS_INVALID_PARAMETER : 0;
}

static uint16_t
look(struct enlh_vp *vp, struct enlh_call *call)
{
    (void)vp;
    runs++;
    memcpy(seen, call->input, sizeof(seen));
    return 0;
}

static uint16_t
nothing(struct enlh_vp *vp, struct enlh_call *call)
{
    (void)vp;
    (void)call;
    runs++;
    return 0;
}

static const struct enlh_call_info table[] = {
    {.code = 1, .flags = ENLH_CALL_FAST, .input_len = 24, .output_len = 24, .run = echo},
    {.code = 2, .flags = ENLH_CALL_FAST | ENLH_CALL_XMM, .input_len = 112, .run = look},
    {.code = 3, .flags = ENLH_CALL_FAST, .input_len = 24, .run = nothing},
    {.code = 4, .flags = 0, .input_len = 8, .run = nothing},
    {.code = 5,
     .flags = ENLH_CALL_REP | ENLH_CALL_VARHEAD | ENLH_CALL_FAST | ENLH_CALL_XMM,
     .input_len = 16,
     .element_len = 8,
     .run = nothing},
    {.code = 6, .run = nothing},
    {.code = 7, .flags = ENLH_CALL_FAST, .input_len = 8, .output_len = 24, .run = echo},
};

static uint16_t
call(uint64_t control, uint64_t input, uint64_t output, const uint64_t *xmm)
{
    struct enlh_hypercall c = {
        .control = control, .input = input, .output = output, .xmm = xmm};

    runs = 0;
    return (uint16_t)enlh_hypercall_dispatch(fake_vp(&f, 0), &c, table,
                                             sizeof(table) / sizeof(table[0]));
}

static void
hypercall_copies_input_and_output(void **state)
{
    uint64_t *input = fake_at(&f, PAGE, 24);
    uint64_t *output = fake_at(&f, PAGE + 24, 32);

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        input[i] = 0x100 + i;
    assert_int_equal(call(1, PAGE, PAGE + 24, NULL), 0);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(output[i], ~(UINT64_C(0x100) + i));
    assert_int_equal(output[3], UINT64_C(0xa5a5a5a5a5a5a5a5));
}

static void
hypercall_that_fails_writes_no_output(void **state)
{
    uint64_t *input = fake_at(&f, PAGE, 24);
    uint64_t *output = fake_at(&f, PAGE + 24, 24);

    (void)state;
    input[0] = 0xbad;
    assert_int_equal(call(1, PAGE, PAGE + 24, NULL), ENL_HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(runs, 1);
    assert_int_equal(output[0], UINT64_C(0xa5a5a5a5a5a5a5a5));
}

static void
hypercall_unaligned_is_status_4(void **state)
{
    (void)state;
    for (uint32_t i = 1; i < 8; i++) {
        assert_int_equal(call(1, PAGE + i, PAGE + 64, NULL), ALIGNMENT);
        assert_int_equal(call(1, PAGE, PAGE + 64 + i, NULL), ALIGNMENT);
        assert_int_equal(runs, 0);
    }
}

static void
hypercall_across_a_page_is_status_4(void **state)
{
    (void)state;
    assert_int_equal(call(1, PAGE + 4096 - 24, PAGE, NULL), 0);
    assert_int_equal(call(1, PAGE + 4096 - 16, PAGE, NULL), ALIGNMENT);
    assert_int_equal(call(1, PAGE, PAGE + 4096 - 24, NULL), 0);
    assert_int_equal(call(1, PAGE, PAGE + 4096 - 16, NULL), ALIGNMENT);
}

/* The list counts: as many elements as fit into the page, and not one more. */
static void
hypercall_list_beyond_its_page_is_status_4(void **state)
{
    (void)state;
    assert_int_equal(call(5 | REPS(510), PAGE, 0, NULL), 0);
    assert_int_equal(runs, 1);
    assert_int_equal(call(5 | REPS(511), PAGE, 0, NULL), ALIGNMENT);
    assert_int_equal(call(5 | REPS(4095), PAGE, 0, NULL), ALIGNMENT);
    assert_int_equal(call(5 | REPS(500) | VARHEAD(10), PAGE, 0, NULL), 0);
    assert_int_equal(call(5 | REPS(500) | VARHEAD(11), PAGE, 0, NULL), ALIGNMENT);
    assert_int_equal(call(5 | REPS(4095) | VARHEAD(1023), PAGE, 0, NULL), ALIGNMENT);
    assert_int_equal(runs, 0);
}

static void
hypercall_outside_ram_is_status_4(void **state)
{
    static const uint64_t outside[] = {
        FAKE_RAM_LEN, FAKE_HIGH_GPA - 4096, UINT64_C(0x8000000000000000),
        UINT64_C(0xfffffffffffff000), UINT64_C(0xfffffffffffffff8)};

    (void)state;
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        assert_int_equal(call(1, outside[i], PAGE, NULL), ALIGNMENT);
        assert_int_equal(call(1, PAGE, outside[i], NULL), ALIGNMENT);
        assert_int_equal(runs, 0);
    }
}

static void
hypercall_overlap_of_input_and_output_is_status_4(void **state)
{
    (void)state;
    assert_int_equal(call(1, PAGE, PAGE, NULL), ALIGNMENT);
    assert_int_equal(call(1, PAGE, PAGE + 16, NULL), ALIGNMENT);
    assert_int_equal(call(1, PAGE + 16, PAGE, NULL), ALIGNMENT);
    assert_int_equal(call(1, PAGE, PAGE + 24, NULL), 0);
    assert_int_equal(call(1, PAGE + 24, PAGE, NULL), 0);
}

static void
hypercall_on_an_overlay_page_is_status_4(void **state)
{
    (void)state;
    fake_set(&f, 1, ENL_REG_SIMP, 0x200000 | ENL_SIMP_ENABLE);
    assert_int_equal(call(4, 0x200000, 0, NULL), ALIGNMENT);
    assert_int_equal(call(4, 0x200ff8, 0, NULL), ALIGNMENT);
    assert_int_equal(call(1, PAGE, 0x200000, NULL), ALIGNMENT);
    assert_true(rig_page_is(0x200000, 0));
    assert_int_equal(call(4, 0x201000, 0, NULL), 0);
    fake_set(&f, 1, ENL_REG_SIMP, 0);
    assert_int_equal(call(4, 0x200000, 0, NULL), 0);
}

static void
hypercall_without_input_looks_at_no_address(void **state)
{
    (void)state;
    assert_int_equal(call(6, 0x1234567, 0x89abcdef, NULL), 0);
    assert_int_equal(runs, 1);
}

static void
hypercall_fast_input_is_the_registers(void **state)
{
    uint64_t xmm[12];

    (void)state;
    for (uint32_t i = 0; i < 12; i++)
        xmm[i] = 102 + i;
    assert_int_equal(call(2 | ENL_HCALL_FAST, 100, 101, xmm), 0);
    for (uint32_t i = 0; i < 14; i++)
        assert_int_equal(seen[i], 100 + i);
}

static void
hypercall_fast_needs_leave_and_room(void **state)
{
    const uint64_t xmm[12] = {0};

    (void)state;
    /* Not in this call's row. */
    assert_int_equal(call(4 | ENL_HCALL_FAST, 0, 0, xmm),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    /* 24 bytes: two registers are not enough, and XMM is not in the row. */
    assert_int_equal(call(3 | ENL_HCALL_FAST, 0, 0, xmm),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    /* No XMM registers were given. */
    assert_int_equal(call(2 | ENL_HCALL_FAST, 0, 0, NULL),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    /* 16 + 8 * 12 = 112 bytes fit, 120 do not. */
    assert_int_equal(call(5 | ENL_HCALL_FAST | REPS(12), 0, 0, xmm), 0);
    assert_int_equal(call(5 | ENL_HCALL_FAST | REPS(13), 0, 0, xmm),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    /* Output in registers is not announced. */
    assert_int_equal(call(7 | ENL_HCALL_FAST, 0, 0, xmm),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    assert_int_equal(runs, 0);
}

static void
hypercall_xmm_input_must_be_announced(void **state)
{
    const uint64_t xmm[12] = {0};

    (void)state;
    fake_fini(&f);
    fake_init(&f);
    f.config.features.set &= ~ENLH_F_BIT(ENLH_F_XMM_INPUT);
    fake_start(&f);
    fake_set(&f, 0, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
    assert_int_equal(call(2 | ENL_HCALL_FAST, 0, 0, xmm),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(hypercall_copies_input_and_output),
        CASE(hypercall_that_fails_writes_no_output),
        CASE(hypercall_unaligned_is_status_4),
        CASE(hypercall_across_a_page_is_status_4),
        CASE(hypercall_list_beyond_its_page_is_status_4),
        CASE(hypercall_outside_ram_is_status_4),
        CASE(hypercall_overlap_of_input_and_output_is_status_4),
        CASE(hypercall_on_an_overlay_page_is_status_4),
        CASE(hypercall_without_input_looks_at_no_address),
        CASE(hypercall_fast_input_is_the_registers),
        CASE(hypercall_fast_needs_leave_and_room),
        CASE(hypercall_xmm_input_must_be_announced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
