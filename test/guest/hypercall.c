/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/hypercall.c - the page, the three calling conventions, who may call, statuses
 *
 * [TLFS 3]
 */
#include <string.h>

#include "enlight/abi/vmbus.h"
#include "test/guest/kernel/kernel.h"

#define FAST        ENL_HCALL_FAST
#define SIGNAL      ENL_CALL_SIGNAL_EVENT
#define POST        ENL_CALL_POST_MESSAGE
#define UNKNOWN_ID  0x7654u
#define FLAGS_IF    UINT64_C(0x202)
#define FLAGS_IOPL3 UINT64_C(0x3202)
#define PAGE_32     0x40000u /* below 1 MiB, for what 32-bit code calls */
#define REAL_PAGE   0xB000u
#define REAL_CODE   0xA000u
#define REAL_RESULT 0xA800u
#define TRAP_PORT   0xE4u
#define SIGNAL_PORT 0xE8u

extern const uint8_t real_start[], real_start_end[];

static uint8_t input_page[2 * PAGE] __attribute__((aligned(4096)));

static uint64_t
status_of(uint64_t control, uint64_t input)
{
    return hypercall(control, input, 0) & ENL_HCALL_STATUS;
}

static struct enl_hv_post_message *
post_input(uint32_t connection_id, uint32_t type, uint32_t len)
{
    struct enl_hv_post_message *post = (void *)input_page;

    memset(post, 0, sizeof(*post));
    post->connection_id = connection_id;
    post->message_type = type;
    post->payload_len = len;
    return post;
}

static uint64_t
post_status(uint32_t connection_id, uint32_t type, uint32_t len)
{
    return status_of(POST, (uintptr_t)post_input(connection_id, type, len));
}

/* ---- the page ---- */

static void
page_has_code(void)
{
    static const uint8_t endbr[] = {0xF3, 0x0F, 0x1E, 0xFA};

    REQUIRE(has_priv(ENL_PRIV_SIGNAL_EVENTS));
    hypercall_page_on();
    EQUAL(status_of(SIGNAL | FAST, UNKNOWN_ID), ENL_HV_STATUS_INVALID_CONNECTION_ID);
    if (option_is("engine", "user"))
        EQUAL(memcmp(hypercall_page, endbr, sizeof(endbr)), 0);
}

/* A kernel may copy the page, or map it elsewhere. */
static void
copied_page_works(void)
{
    static uint8_t copy[PAGE] __attribute__((aligned(4096)));
    struct call_regs regs = {.rcx = SIGNAL | FAST, .rdx = UNKNOWN_ID};

    REQUIRE(has_priv(ENL_PRIV_SIGNAL_EVENTS));
    hypercall_page_on();
    memcpy(copy, hypercall_page, PAGE);
    EQUAL(call_try(copy, &regs), FAULT_NONE);
    EQUAL(regs.rax, ENL_HV_STATUS_INVALID_CONNECTION_ID);
}

/* ---- conventions ---- */

static void
check_preserves(uint64_t control, uint64_t input, uint64_t status)
{
    struct call_regs before = {.rax = 0x1111,
                               .rbx = 0x2222,
                               .rcx = control,
                               .rdx = input,
                               .rsi = 0x5555,
                               .rdi = 0x6666,
                               .rbp = 0x7777,
                               .r8 = 0x8888,
                               .r9 = 0x9999,
                               .r10 = 0xAAAA,
                               .r11 = 0xBBBB,
                               .r12 = 0xCCCC,
                               .r13 = 0xDDDD,
                               .r14 = 0xEEEE,
                               .r15 = 0xFFFF};
    struct call_regs after = before;

    EQUAL(call_try(hypercall_page, &after), FAULT_NONE);
    EQUAL(after.rax, status);
    after.rax = before.rax;
    EQUAL(memcmp(&after, &before, sizeof(after)), 0);
}

static void
long_mode_call_changes_rax_alone(void)
{
    REQUIRE(has_priv(ENL_PRIV_SIGNAL_EVENTS));
    hypercall_page_on();
    check_preserves(SIGNAL | FAST, UNKNOWN_ID, ENL_HV_STATUS_INVALID_CONNECTION_ID);
    check_preserves(SIGNAL, (uintptr_t)post_input(UNKNOWN_ID, 0, 0),
                    ENL_HV_STATUS_INVALID_CONNECTION_ID);
    check_preserves(0x7777, 0, ENL_HV_STATUS_INVALID_HYPERCALL_CODE);
}

/* The page is enabled from 32-bit code, so the host knows which form to lay. */
static void
compat_page_on(uint32_t gpa)
{
    uint32_t words[6] = {gpa | (uint32_t)ENL_HYPERCALL_ENABLE, 0, ENL_MSR_HYPERCALL};

    msr_write(ENL_MSR_HYPERCALL, 0);
    msr_write(ENL_MSR_GUEST_OS_ID, GUEST_OS_ID);
    call_compat(words, 0);
}

static void
compat_mode_call_has_its_own_registers(void)
{
    uint32_t fast[6] = {(uint32_t)(SIGNAL | FAST), 0, UNKNOWN_ID, 0, 0, 0};
    uint32_t memory[6] = {SIGNAL, 0, 0, 0, 0, 0};
    uint32_t unknown[6] = {0x7777, 0, 0, 0, 0, 0};
    uint32_t unaligned[6] = {POST, 0, 0, 0, 0, 0};

    REQUIRE(has_priv(ENL_PRIV_SIGNAL_EVENTS));
    compat_page_on(PAGE_32);
    call_compat(fast, PAGE_32);
    EQUAL(fast[0], ENL_HV_STATUS_INVALID_CONNECTION_ID);
    EQUAL(fast[3], 0);
    memory[2] = (uint32_t)(uintptr_t)post_input(UNKNOWN_ID, 0, 0);
    call_compat(memory, PAGE_32);
    EQUAL(memory[0], ENL_HV_STATUS_INVALID_CONNECTION_ID);
    call_compat(unknown, PAGE_32);
    EQUAL(unknown[0], ENL_HV_STATUS_INVALID_HYPERCALL_CODE);
    unaligned[2] = (uint32_t)(uintptr_t)post_input(UNKNOWN_ID, 1, 0) + 4;
    call_compat(unaligned, PAGE_32);
    EQUAL(unaligned[0], ENL_HV_STATUS_INVALID_ALIGNMENT);
    hypercall_page_off();
}

static void
memory_input_is_checked(void)
{
    uint64_t at;

    REQUIRE(has_priv(ENL_PRIV_SIGNAL_EVENTS));
    hypercall_page_on();
    at = (uintptr_t)post_input(UNKNOWN_ID, 1, 0);
    EQUAL(status_of(POST, at), ENL_HV_STATUS_INVALID_CONNECTION_ID);
    for (uint32_t i = 1; i < 8; i++) {
        EQUAL(status_of(POST, at + i), ENL_HV_STATUS_INVALID_ALIGNMENT);
        EQUAL(status_of(SIGNAL, at + i), ENL_HV_STATUS_INVALID_ALIGNMENT);
    }
    /* The last place in the page, and the first that crosses into the next. */
    memcpy(input_page + PAGE - 256, input_page, 256);
    EQUAL(status_of(POST, at + PAGE - 256), ENL_HV_STATUS_INVALID_CONNECTION_ID);
    EQUAL(status_of(POST, at + PAGE - 248), ENL_HV_STATUS_INVALID_ALIGNMENT);
    /* Beyond memory, and in an overlay page. */
    CHECK(status_of(POST, UINT64_C(1) << 45) != 0);
    CHECK(status_of(POST, (uintptr_t)hypercall_page) != 0);
}

/* ---- who may call ---- */

/* With the right to write ports user mode gets what TLFS says, on both engines. */
static void
user_mode_gets_ud(void)
{
    struct call_regs regs = {.rcx = SIGNAL | FAST, .rdx = UNKNOWN_ID};
    struct call_regs trap = {.rcx = 0x7777};

    REQUIRE(has_priv(ENL_PRIV_SIGNAL_EVENTS));
    hypercall_page_on();
    EQUAL(call_user_try(hypercall_page, &regs, FLAGS_IOPL3), FAULT_UD);
    EQUAL(call_user_try(hypercall_page, &trap, FLAGS_IOPL3), FAULT_UD);
    EQUAL(status_of(SIGNAL | FAST, UNKNOWN_ID), ENL_HV_STATUS_INVALID_CONNECTION_ID);
}

/* Without it the user engine's port write faults as any port write does. */
static void
user_mode_without_ports_faults(void)
{
    struct call_regs regs = {.rcx = SIGNAL | FAST, .rdx = UNKNOWN_ID};
    int fault;

    REQUIRE(has_priv(ENL_PRIV_SIGNAL_EVENTS));
    hypercall_page_on();
    fault = call_user_try(hypercall_page, &regs, FLAGS_IF);
    EQUAL(fault, option_is("engine", "user") ? FAULT_GP : FAULT_UD);
}

/* out %al, $0xe4; ret, and mov $0xe8, %dx; out %eax, %dx; ret. */
static void
port_of_the_page_is_no_way_in(void)
{
    static const uint8_t trap[] = {0xE6, TRAP_PORT, 0xC3};
    static const uint8_t signal[] = {0x66, 0xBA, SIGNAL_PORT, 0x00, 0xEF, 0xC3};
    struct call_regs regs = {.rax = 0xABCD, .rcx = 0x7777};
    int fault;

    REQUIRE_USER_ENGINE();
    hypercall_page_on();
    EQUAL(call_user_try(trap, &regs, FLAGS_IF), FAULT_GP);
    EQUAL(call_user_try(signal, &regs, FLAGS_IF), FAULT_GP);
    EQUAL(call_user_try(trap, &regs, FLAGS_IOPL3), FAULT_UD);
    /* An ioeventfd has no privilege: a signal of an id that is not there is refused. */
    fault = call_user_try(signal, &regs, FLAGS_IOPL3);
    EQUAL(fault, FAULT_UD);
    /* Reads and other widths are ordinary ports without a device. */
    EQUAL(in8(TRAP_PORT), 0xFF);
    EQUAL(in8(SIGNAL_PORT), 0xFF);
    out8(SIGNAL_PORT, 1);
}

static void
real_mode_gets_ud(void)
{
    volatile uint32_t *result = (void *)(uintptr_t)REAL_RESULT;

    REQUIRE_CPUS(2);
    memcpy((void *)(uintptr_t)REAL_CODE, real_start,
           (size_t)(real_start_end - real_start));
    *result = 0;
    compat_page_on(REAL_PAGE);
    apic_send(1, ICR_INIT);
    spin_us(200);
    apic_send(1, ICR_SIPI | REAL_CODE >> 12);
    CHECK(WAIT_UNTIL(*result != 0));
    EQUAL(*result, 2);
    hypercall_page_off();
    CHECK(smp_restart(1));
}

/* ---- statuses ---- */

static void
unknown_calls_are_refused(void)
{
    static const uint16_t codes[] = {0x0000, 0x0001, 0x0046, 0x0050, 0x0051,
                                     0x0099, 0x4242, 0x7777, 0x7FFF};

    hypercall_page_on();
    for (size_t i = 0; i < COUNT(codes); i++) {
        EQUAL(status_of(codes[i], 0), ENL_HV_STATUS_INVALID_HYPERCALL_CODE);
        EQUAL(status_of(codes[i] | FAST, 0), ENL_HV_STATUS_INVALID_HYPERCALL_CODE);
    }
}

static void
reserved_control_bits_are_refused(void)
{
    uint64_t at;

    REQUIRE(has_priv(ENL_PRIV_SIGNAL_EVENTS));
    hypercall_page_on();
    at = (uintptr_t)post_input(UNKNOWN_ID, 1, 0);
    for (uint32_t bit = 0; bit < 64; bit++) {
        uint64_t control = UINT64_C(1) << bit;

        if (!(control & ENL_HCALL_RESERVED))
            continue;
        EQUAL(status_of(POST | control, at), ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
        EQUAL(status_of(SIGNAL | FAST | control, UNKNOWN_ID),
              ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    }
}

static void
wrong_forms_are_refused(void)
{
    uint64_t one = UINT64_C(1);
    uint64_t at;

    REQUIRE(has_priv(ENL_PRIV_SIGNAL_EVENTS));
    hypercall_page_on();
    at = (uintptr_t)post_input(UNKNOWN_ID, 1, 0);
    EQUAL(status_of(POST | one << ENL_HCALL_REP_COUNT_SHIFT, at),
          ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    EQUAL(status_of(SIGNAL | FAST | one << ENL_HCALL_REP_COUNT_SHIFT, UNKNOWN_ID),
          ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    EQUAL(status_of(POST | one << ENL_HCALL_VARHEAD_SHIFT, at),
          ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    EQUAL(status_of(POST | FAST, at), ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
}

/* Without the SynIC's privileges: refused, whatever the input. */
static void
calls_without_privilege_are_denied(void)
{
    if (has_priv(ENL_PRIV_POST_MESSAGES)) {
        test_skip("messages are announced");
        return;
    }
    hypercall_page_on();
    EQUAL(status_of(SIGNAL | FAST, UNKNOWN_ID), ENL_HV_STATUS_ACCESS_DENIED);
    EQUAL(post_status(UNKNOWN_ID, 1, 0), ENL_HV_STATUS_ACCESS_DENIED);
}

/* By a copy of the page, as the page itself is gone with the name. */
static void
nameless_guests_are_refused(void)
{
    static uint8_t copy[PAGE] __attribute__((aligned(4096)));
    struct call_regs regs = {.rax = 0x7777, .rcx = SIGNAL | FAST, .rdx = UNKNOWN_ID};
    struct call_regs post = {.rax = 0x7777, .rcx = POST};
    int fault;

    hypercall_page_on();
    memcpy(copy, hypercall_page, PAGE);
    hypercall_page_off();
    fault = call_try(copy, &regs);
    CHECK(fault == FAULT_UD || (regs.rax & ENL_HCALL_STATUS) != 0);
    CHECK(fault == FAULT_UD ||
          (regs.rax & ENL_HCALL_STATUS) != ENL_HV_STATUS_INVALID_CONNECTION_ID);
    post.rdx = (uintptr_t)post_input(ENL_VMBUS_CONNECTION_MESSAGE_5, 1, 8);
    fault = call_try(copy, &post);
    CHECK(fault == FAULT_UD || (post.rax & ENL_HCALL_STATUS) != 0);
}

static void
message_lengths_are_bounded(void)
{
    static const uint32_t too_long[] = {241, 256, 4096, 0x10000, 0x80000000, 0xFFFFFFFF};

    REQUIRE(has_priv(ENL_PRIV_POST_MESSAGES));
    hypercall_page_on();
    EQUAL(post_status(ENL_VMBUS_CONNECTION_MESSAGE_5, 1, 240), ENL_HV_STATUS_SUCCESS);
    for (size_t i = 0; i < COUNT(too_long); i++)
        EQUAL(post_status(ENL_VMBUS_CONNECTION_MESSAGE_5, 1, too_long[i]),
              ENL_HV_STATUS_INVALID_PARAMETER);
    EQUAL(post_status(ENL_VMBUS_CONNECTION_MESSAGE_5, ENL_MESSAGE_TIMER_EXPIRED, 8),
          ENL_HV_STATUS_INVALID_PARAMETER);
    EQUAL(post_status(ENL_VMBUS_CONNECTION_MESSAGE_5, ENL_MESSAGE_NONE, 8),
          ENL_HV_STATUS_INVALID_PARAMETER);
}

static void
unknown_connections_are_refused(void)
{
    static const uint32_t ids[] = {0, 5, UNKNOWN_ID, 0x800075, 0xFFFFFF};

    REQUIRE(has_priv(ENL_PRIV_POST_MESSAGES | ENL_PRIV_SIGNAL_EVENTS));
    hypercall_page_on();
    for (size_t i = 0; i < COUNT(ids); i++) {
        EQUAL(status_of(SIGNAL | FAST, ids[i]), ENL_HV_STATUS_INVALID_CONNECTION_ID);
        EQUAL(status_of(SIGNAL, (uintptr_t)post_input(ids[i], 0, 0)),
              ENL_HV_STATUS_INVALID_CONNECTION_ID);
        EQUAL(post_status(ids[i], 1, 0), ENL_HV_STATUS_INVALID_CONNECTION_ID);
    }
    /* A message port takes no signals; an id has 24 bits, a signal's rest is zero. */
    EQUAL(status_of(SIGNAL | FAST, ENL_VMBUS_CONNECTION_MESSAGE_5),
          ENL_HV_STATUS_INVALID_PORT_ID);
    CHECK(status_of(SIGNAL | FAST, 0x1000001) != 0);
    CHECK(status_of(SIGNAL | FAST, UINT64_C(0x700000000) | UNKNOWN_ID) != 0);
    CHECK(post_status(0x1000001, 1, 8) != 0);
}

const struct test hypercall_tests[] = {
    {"page_has_code", "H01 H02 H06", page_has_code},
    {"copied_page_works", "H01", copied_page_works},
    {"long_mode_call_changes_rax_alone", "H03", long_mode_call_changes_rax_alone},
    {"compat_mode_call_has_its_own_registers", "H04",
     compat_mode_call_has_its_own_registers},
    {"memory_input_is_checked", "H05 H16", memory_input_is_checked},
    {"user_mode_gets_ud", "H12", user_mode_gets_ud},
    {"user_mode_without_ports_faults", "H12 K02", user_mode_without_ports_faults},
    {"port_of_the_page_is_no_way_in", "K02", port_of_the_page_is_no_way_in},
    {"real_mode_gets_ud", "H12", real_mode_gets_ud},
    {"unknown_calls_are_refused", "H14", unknown_calls_are_refused},
    {"reserved_control_bits_are_refused", "H15", reserved_control_bits_are_refused},
    {"wrong_forms_are_refused", "H05 H06 H09 H10", wrong_forms_are_refused},
    {"calls_without_privilege_are_denied", "H13", calls_without_privilege_are_denied},
    {"nameless_guests_are_refused", "H19", nameless_guests_are_refused},
    {"message_lengths_are_bounded", "H32", message_lengths_are_bounded},
    {"unknown_connections_are_refused", "H16 H33", unknown_connections_are_refused},
    {NULL, NULL, NULL},
};
