/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/processors.c - calls that concern other processors, and timers of their own
 *
 * [TLFS HvCallSendSyntheticClusterIpi, HvCallFlushVirtualAddress..., 12.3]
 */
#include <string.h>

#include "test/guest/synic_rig.h"

#define SINT      3u
#define CONFIG_0  ENL_MSR_STIMER0_CONFIG
#define COUNT_0   ENL_MSR_STIMER0_COUNT
#define ONE       UINT64_C(1)
#define REPS(n)   ((uint64_t)(n) << ENL_HCALL_REP_COUNT_SHIFT)
#define START(n)  ((uint64_t)(n) << ENL_HCALL_REP_START_SHIFT)
#define HEAD(n)   ((uint64_t)(n) << ENL_HCALL_VARHEAD_SHIFT)
#define STATUS(r) ((r)&ENL_HCALL_STATUS)
#define DONE(r)   (((r)&ENL_HCALL_REP_DONE) >> ENL_HCALL_REP_DONE_SHIFT)

static uint64_t input[PAGE / 8] __attribute__((aligned(4096)));

static uint64_t
call(uint64_t control)
{
    return hypercall(control, (uintptr_t)input, 0);
}

static uint64_t
all_vps(void)
{
    return (ONE << cpu_count) - 1;
}

/* ---- IPIs ---- */

static void
send_ipi_reaches_those_named(void)
{
    REQUIRE(features->hints & ENL_HINT_CLUSTER_IPI);
    hypercall_page_on();
    EQUAL(STATUS(hypercall(ENL_CALL_SEND_IPI | ENL_HCALL_FAST, VECTOR_A, all_vps())), 0);
    for (uint32_t i = 0; i < cpu_count; i++)
        CHECK(wait_word(&cpus[i].irqs[VECTOR_A], 1));
    /* In memory, to the last one alone. */
    input[0] = VECTOR_B;
    input[1] = ONE << (cpu_count - 1);
    EQUAL(STATUS(call(ENL_CALL_SEND_IPI)), 0);
    CHECK(wait_word(&cpus[cpu_count - 1].irqs[VECTOR_B], 1));
    spin_us(2000);
    for (uint32_t i = 0; i < cpu_count; i++) {
        EQUAL(cpus[i].irqs[VECTOR_A], 1);
        EQUAL(cpus[i].irqs[VECTOR_B], i == cpu_count - 1);
        cpus[i].irqs[VECTOR_A] = cpus[i].irqs[VECTOR_B] = 0;
    }
}

static void
send_ipi_checks_its_vector(void)
{
    REQUIRE(features->hints & ENL_HINT_CLUSTER_IPI);
    hypercall_page_on();
    for (uint32_t vector = 0; vector < 16; vector += 5)
        CHECK(STATUS(hypercall(ENL_CALL_SEND_IPI | ENL_HCALL_FAST, vector, 1)) != 0);
    CHECK(STATUS(hypercall(ENL_CALL_SEND_IPI | ENL_HCALL_FAST, 0x100, 1)) != 0);
}

static void
send_ipi_ex_takes_a_sparse_set(void)
{
    REQUIRE((features->hints & ENL_HINT_CLUSTER_IPI) &&
            (features->hints & ENL_HINT_EX_PROCESSOR_MASKS));
    hypercall_page_on();
    input[0] = VECTOR_A;
    input[1] = ENL_VP_SET_SPARSE;
    input[2] = 1;
    input[3] = all_vps();
    EQUAL(STATUS(call(ENL_CALL_SEND_IPI_EX | HEAD(1))), 0);
    for (uint32_t i = 0; i < cpu_count; i++)
        CHECK(wait_word(&cpus[i].irqs[VECTOR_A], 1));
    input[0] = VECTOR_B;
    input[1] = ENL_VP_SET_ALL;
    input[2] = 0;
    EQUAL(STATUS(call(ENL_CALL_SEND_IPI_EX)), 0);
    for (uint32_t i = 0; i < cpu_count; i++)
        CHECK(wait_word(&cpus[i].irqs[VECTOR_B], 1));
    /* More banks than the header has. */
    input[1] = ENL_VP_SET_SPARSE;
    input[2] = 3;
    CHECK(STATUS(call(ENL_CALL_SEND_IPI_EX | HEAD(1))) != 0);
    for (uint32_t i = 0; i < cpu_count; i++)
        cpus[i].irqs[VECTOR_A] = cpus[i].irqs[VECTOR_B] = 0;
}

/* ---- flushes ---- */

static void
flush_space_answers(void)
{
    REQUIRE(features->hints & ENL_HINT_REMOTE_FLUSH);
    hypercall_page_on();
    input[0] = 0;
    input[1] = ENL_FLUSH_ALL_VPS | ENL_FLUSH_ALL_SPACES;
    input[2] = 0;
    EQUAL(call(ENL_CALL_FLUSH_SPACE), 0);
    input[1] = ENL_FLUSH_ALL_SPACES | ENL_FLUSH_NON_GLOBAL_ONLY;
    input[2] = all_vps();
    EQUAL(call(ENL_CALL_FLUSH_SPACE), 0);
    EQUAL(STATUS(call(ENL_CALL_FLUSH_SPACE | REPS(1))),
          ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    /* Seen: KVM reads this input wherever it is. */
    if (option_is("engine", "user"))
        EQUAL(hypercall(ENL_CALL_FLUSH_SPACE, (uintptr_t)input + 4, 0),
              ENL_HV_STATUS_INVALID_ALIGNMENT);
}

static void
flush_list_counts_what_is_done(void)
{
    REQUIRE(features->hints & ENL_HINT_REMOTE_FLUSH);
    hypercall_page_on();
    input[0] = 0;
    input[1] = ENL_FLUSH_ALL_SPACES;
    input[2] = all_vps();
    for (uint32_t i = 0; i < 20; i++)
        input[3 + i] = 0x400000 + i * UINT64_C(0x10000) + i;
    for (uint32_t n = 1; n <= 20; n += 19) {
        uint64_t result = call(ENL_CALL_FLUSH_LIST | REPS(n));

        EQUAL(STATUS(result), 0);
        EQUAL(DONE(result), n);
    }
    EQUAL(STATUS(call(ENL_CALL_FLUSH_LIST)), ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    EQUAL(STATUS(call(ENL_CALL_FLUSH_LIST | REPS(2) | START(2))),
          ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    if (!(features->features & ENL_FEAT_EXT_GVA_RANGES))
        return;
    input[1] |= ENL_FLUSH_EXT_RANGES;
    EQUAL(DONE(call(ENL_CALL_FLUSH_LIST | REPS(20))), 20);
}

static void
flush_ex_takes_a_sparse_set(void)
{
    uint64_t result;

    REQUIRE((features->hints & ENL_HINT_REMOTE_FLUSH) &&
            (features->hints & ENL_HINT_EX_PROCESSOR_MASKS));
    hypercall_page_on();
    input[0] = 0;
    input[1] = ENL_FLUSH_ALL_SPACES;
    input[2] = ENL_VP_SET_SPARSE;
    input[3] = 1;
    input[4] = all_vps();
    input[5] = 0x400000;
    input[6] = 0x500000;
    EQUAL(call(ENL_CALL_FLUSH_SPACE_EX | HEAD(1)), 0);
    result = call(ENL_CALL_FLUSH_LIST_EX | HEAD(1) | REPS(2));
    EQUAL(STATUS(result), 0);
    EQUAL(DONE(result), 2);
}

/*
 * A page above 4 GiB that the other processor reads; the boot processor puts another page
 * there and has the hypervisor flush. [TLFS HvCallFlushVirtualAddressSpace]
 * On emulated hardware no entry outlives an exit, and only the way is tested.
 */
#define MOVING_GVA ((volatile uint64_t *)UINT64_C(0x100000000))
#define PTE_FLAGS  UINT64_C(0x3)

extern uint64_t pages_1g[];
static uint64_t moving_pd[512] __attribute__((aligned(4096)));
static uint64_t moving_pt[512] __attribute__((aligned(4096)));
static uint64_t moving_pages[2][512] __attribute__((aligned(4096)));
static volatile uint64_t moving_wanted, moving_stale, moving_rounds;

static void
read_moving_page(void *arg)
{
    (void)arg;
    for (;;) {
        uint64_t wanted = moving_wanted, got;

        if (wanted == ~UINT64_C(0))
            return;
        __asm__ volatile("" ::: "memory");
        got = *MOVING_GVA;
        /* The flush was over before the wish was told: that page, or a newer one. */
        moving_stale += got < wanted;
        moving_rounds++;
    }
}

static uint64_t
flush_moving_page(uint32_t i)
{
    uint64_t all = ENL_FLUSH_ALL_SPACES;

    input[0] = 0;
    input[1] = i % 4 < 2 ? all : all | ENL_FLUSH_ALL_VPS;
    input[2] = 2;
    input[3] = (uintptr_t)MOVING_GVA;
    return STATUS(call(i % 2 ? ENL_CALL_FLUSH_LIST | REPS(1) : ENL_CALL_FLUSH_SPACE));
}

static void
flush_shows_the_new_page(void)
{
    REQUIRE(features->hints & ENL_HINT_REMOTE_FLUSH);
    REQUIRE_CPUS(2);
    hypercall_page_on();
    moving_stale = moving_rounds = moving_wanted = 0;
    for (uint64_t i = 0; i < 2; i++)
        moving_pages[i][0] = i;
    moving_pt[0] = (uintptr_t)moving_pages[0] | PTE_FLAGS;
    moving_pd[0] = (uintptr_t)moving_pt | PTE_FLAGS;
    pages_1g[4] = (uintptr_t)moving_pd | PTE_FLAGS;
    CHECK(smp_begin(1, read_moving_page, NULL));
    for (uint32_t i = 1; i <= 20; i++) {
        uint64_t before = moving_rounds;

        moving_pages[i % 2][0] = i;
        moving_pt[0] = (uintptr_t)moving_pages[i % 2] | PTE_FLAGS;
        EQUAL(flush_moving_page(i), 0);
        moving_wanted = i;
        CHECK(WAIT_UNTIL(moving_rounds > before + 2));
    }
    moving_wanted = ~UINT64_C(0);
    CHECK(smp_end(1));
    EQUAL(moving_stale, 0);
}

struct xmm_call {
    uint64_t control;
    uint64_t result;
};

/* Flush, 24 bytes in RDX, R8 and XMM0. */
static void
xmm_call(void *arg)
{
    struct xmm_call *c = arg;
    static uint64_t xmm0[2] __attribute__((aligned(16)));
    uint64_t control = c->control, in = 0;
    register uint64_t out __asm__("r8") = ENL_FLUSH_ALL_VPS | ENL_FLUSH_ALL_SPACES;

    __asm__ volatile("movaps %5, %%xmm0; call *%4"
                     : "=a"(c->result), "+c"(control), "+d"(in), "+r"(out)
                     : "r"(hypercall_page), "m"(xmm0)
                     : "memory", "cc");
}

/* [TLFS 3.7.2] Where XMM input is not announced, using it is #UD. */
static void
xmm_input_follows_announcement(void)
{
    struct xmm_call c = {ENL_CALL_FLUSH_SPACE | ENL_HCALL_FAST, 0xFFFF};
    int fault;

    REQUIRE(features->hints & ENL_HINT_REMOTE_FLUSH);
    hypercall_page_on();
    fault = cpu_catch(xmm_call, &c);
    if (features->features & ENL_FEAT_XMM_INPUT) {
        EQUAL(fault, FAULT_NONE);
        EQUAL(c.result, 0);
    } else {
        EQUAL(fault, FAULT_UD);
    }
}

static void
long_spin_is_heard(void)
{
    REQUIRE(features->spin_retries != ENL_SPIN_NEVER);
    hypercall_page_on();
    EQUAL(hypercall(ENL_CALL_NOTIFY_LONG_SPIN_WAIT | ENL_HCALL_FAST, 0x2000, 0), 0);
}

/* ---- the APIC's registers under the hypervisor's numbers ---- */

#define ICR_SELF   UINT64_C(0x44000)
#define MSR_X2_TPR 0x808u

static void
apic_registers_are_those_of_the_apic(void)
{
    struct cpu *cpu = cpu_this();

    REQUIRE(has_priv(ENL_PRIV_APIC));
    msr_write(ENL_MSR_TPR, 0x20);
    EQUAL(msr_read(ENL_MSR_TPR), 0x20);
    EQUAL(msr_read(MSR_X2_TPR), 0x20);
    msr_write(ENL_MSR_TPR, 0);
    cpu->no_eoi[VECTOR_A] = true;
    msr_write(ENL_MSR_ICR, ICR_SELF | VECTOR_A);
    CHECK(wait_word(&cpu->irqs[VECTOR_A], 1));
    CHECK(apic_in_service(VECTOR_A));
    msr_write(ENL_MSR_EOI, 0);
    CHECK(!apic_in_service(VECTOR_A));
}

/* ---- a SynIC and timers of its own ---- */

static volatile bool there_ok;

static void
timers_there(void *arg)
{
    struct enl_message message;

    (void)arg;
    synthetic_reset();
    rig_on();
    rig_sint(SINT, VECTOR_B);
    msr_write(CONFIG_0, (uint64_t)SINT << ENL_STIMER_SINT_SHIFT | ENL_STIMER_AUTO_ENABLE);
    msr_write(COUNT_0, reference_time() + 10000);
    there_ok = rig_wait(SINT) && wait_word(&cpu_this()->irqs[VECTOR_B], 1);
    rig_take(SINT, &message);
    there_ok = there_ok && message.type == ENL_MESSAGE_TIMER_EXPIRED;
}

static void
reset_there(void *arg)
{
    (void)arg;
    synthetic_reset();
}

static void
each_processor_has_timers(void)
{
    REQUIRE(has_priv(ENL_PRIV_SYNIC | ENL_PRIV_STIMER));
    REQUIRE_CPUS(2);
    for (uint32_t i = 1; i < cpu_count; i++) {
        there_ok = false;
        CHECK(smp_run(i, timers_there, NULL));
        CHECK(there_ok);
        EQUAL(cpus[0].irqs[VECTOR_B], 0);
        CHECK(smp_run(i, reset_there, NULL));
    }
}

/* A kernel starts a processor that another kernel left with everything on. */
static void
started_again_a_processor_works(void)
{
    REQUIRE(has_priv(ENL_PRIV_SYNIC | ENL_PRIV_STIMER));
    REQUIRE_CPUS(2);
    there_ok = false;
    CHECK(smp_run(1, timers_there, NULL));
    CHECK(there_ok);
    CHECK(smp_restart(1));
    there_ok = false;
    CHECK(smp_run(1, timers_there, NULL));
    CHECK(there_ok);
    CHECK(smp_run(1, reset_there, NULL));
}

const struct test processors_tests[] = {
    {"send_ipi_reaches_those_named", "H25 P05", send_ipi_reaches_those_named},
    {"send_ipi_checks_its_vector", "H25", send_ipi_checks_its_vector},
    {"send_ipi_ex_takes_a_sparse_set", "H10 H25", send_ipi_ex_takes_a_sparse_set},
    {"flush_space_answers", "H21 P02", flush_space_answers},
    {"flush_list_counts_what_is_done", "H09 H21 H23", flush_list_counts_what_is_done},
    {"flush_ex_takes_a_sparse_set", "H10 H22", flush_ex_takes_a_sparse_set},
    {"flush_shows_the_new_page", "H21 P02", flush_shows_the_new_page},
    {"xmm_input_follows_announcement", "H07", xmm_input_follows_announcement},
    {"long_spin_is_heard", "H24", long_spin_is_heard},
    {"apic_registers_are_those_of_the_apic", "M10", apic_registers_are_those_of_the_apic},
    {"each_processor_has_timers", "T07 P10", each_processor_has_timers},
    {"started_again_a_processor_works", "P10 S22", started_again_a_processor_works},
    {NULL, NULL, NULL},
};
