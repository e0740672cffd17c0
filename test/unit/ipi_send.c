/* SPDX-License-Identifier: BSD-2-Clause */
/* H25, H10: whom an IPI reaches, and with which vectors. */
#include "core_rig.h"

#include "enlight/abi/hypercall.h"

#define FAST       ENL_HCALL_FAST
#define INPUT      FAKE_INPUT_GPA
#define VARHEAD(n) ((uint64_t)(n) << ENL_HCALL_VARHEAD_SHIFT)

static uint16_t
send(uint32_t vector, uint8_t vtl, uint64_t mask)
{
    return (uint16_t)fake_hypercall(&f, 0, ENL_CALL_SEND_IPI | FAST,
                                    vector | (uint64_t)vtl << 32, mask);
}

static void
ipi_reaches_every_vp_of_the_mask(void **state)
{
    (void)state;
    fake_fini(&f);
    fake_boot(&f, 40);
    assert_int_equal(send(0xfb, 0, UINT64_C(0x8000000005)), 0);
    assert_int_equal(f.interrupt_count, 3);
    assert_int_equal(f.interrupt[0].vp, 0);
    assert_int_equal(f.interrupt[1].vp, 2);
    assert_int_equal(f.interrupt[2].vp, 39);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(f.interrupt[i].vector, 0xfb);
        assert_false(f.interrupt[i].auto_eoi);
    }
    fake_forget(&f);
    assert_int_equal(send(0xfb, 0, UINT64_C(0xffffff0000000000)), 0);
    assert_int_equal(f.interrupt_count, 0);
}

static void
ipi_vector_and_level_are_checked(void **state)
{
    (void)state;
    assert_int_equal(send(0x0f, 0, 3), ENL_HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(send(0x100, 0, 3), ENL_HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(send(0x80000020, 0, 3), ENL_HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(send(0x20, 1, 3), ENL_HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(f.interrupt_count, 0);
    assert_int_equal(send(0x10, 0, 3), 0);
    assert_int_equal(send(0xff, 0, 3), 0);
    assert_int_equal(f.interrupt_count, 4);
}

static void
ipi_ex_reaches_sparse_banks(void **state)
{
    struct enl_hv_send_ipi_ex *input;
    uint64_t *bank;

    (void)state;
    fake_fini(&f);
    fake_boot(&f, 200);
    input = fake_at(&f, INPUT, 4096);
    *input = (struct enl_hv_send_ipi_ex){
        .vector = 0x30, .vp_set = {.format = ENL_VP_SET_SPARSE, .bank_mask = 0x9}};
    bank = (uint64_t *)(input + 1);
    bank[0] = 2;
    bank[1] = UINT64_MAX;
    assert_int_equal(fake_hypercall(&f, 0, ENL_CALL_SEND_IPI_EX | VARHEAD(2), INPUT, 0),
                     0);
    assert_int_equal(f.interrupt_count, 1 + 8);
    assert_int_equal(f.interrupt[0].vp, 1);
    assert_int_equal(f.interrupt[1].vp, 192);
    assert_int_equal(f.interrupt[8].vp, 199);
    /* All, without a bank. */
    fake_forget(&f);
    input->vp_set.format = ENL_VP_SET_ALL;
    assert_int_equal(fake_hypercall(&f, 0, ENL_CALL_SEND_IPI_EX, INPUT, 0), 0);
    assert_int_equal(f.interrupt_count, 200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(ipi_reaches_every_vp_of_the_mask),
        CASE(ipi_vector_and_level_are_checked),
        CASE(ipi_ex_reaches_sparse_banks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
