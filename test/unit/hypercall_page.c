/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * H01, H03, M01, M02, O02, O09: the page and its register; and on x86-64 the page's code
 * itself, run in this process, with a signal handler in place of the two ports.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "core_rig.h"

#include "enlight/abi/hypercall.h"
#include "enlight/host/x86_64.h"

#define PAGE   UINT64_C(0x300000)
#define ON     ENL_HYPERCALL_ENABLE
#define TRAP   0x77u
#define SIGNAL 0x0a55u

static const struct enlh_x64_trap ports = {.trap_port = TRAP, .signal_port = SIGNAL};

static void
hypercall_page_needs_a_guest_os_id(void **state)
{
    (void)state;
    enlh_x64_set_trap(f.partition, &ports);
    fake_set(&f, 0, ENL_REG_GUEST_OS_ID, 0);
    fake_set(&f, 0, ENL_REG_HYPERCALL, PAGE | ON);
    assert_int_equal(fake_get(&f, 0, ENL_REG_HYPERCALL), PAGE);
    assert_true(rig_page_is(PAGE, 0xa5));
    fake_set(&f, 0, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
    fake_set(&f, 0, ENL_REG_HYPERCALL, PAGE | ON);
    assert_int_equal(fake_get(&f, 1, ENL_REG_HYPERCALL), PAGE | ON);
    assert_false(rig_page_is(PAGE, 0xa5));
}

/* M01, and kexec's order of things. */
static void
hypercall_page_goes_with_the_guest_os_id(void **state)
{
    (void)state;
    enlh_x64_set_trap(f.partition, &ports);
    fake_set(&f, 0, ENL_REG_HYPERCALL, PAGE | ON);
    fake_set(&f, 1, ENL_REG_GUEST_OS_ID, 0);
    assert_int_equal(fake_get(&f, 0, ENL_REG_HYPERCALL), PAGE);
    assert_true(rig_page_is(PAGE, 0xa5));
    assert_int_equal(fake_get(&f, 0, ENL_REG_GUEST_OS_ID), 0);
}

static void
hypercall_page_that_is_locked_stays(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_HYPERCALL, PAGE | ENL_HYPERCALL_LOCKED | ON);
    assert_err(rig_set(0, ENL_REG_HYPERCALL, (PAGE + 0x1000) | ON), ENL_E_INVAL);
    assert_err(rig_set(1, ENL_REG_HYPERCALL, 0), ENL_E_INVAL);
    assert_int_equal(fake_get(&f, 0, ENL_REG_HYPERCALL),
                     PAGE | ENL_HYPERCALL_LOCKED | ON);
    enlh_partition_reset(f.partition);
    assert_int_equal(fake_get(&f, 0, ENL_REG_HYPERCALL), 0);
    assert_int_equal(rig_set(0, ENL_REG_HYPERCALL, 0), 0);
}

/* M02: both identities at once; the hypervisor below has each write, and fills the page. */
static void
hypercall_page_is_left_to_the_hypervisor_below(void **state)
{
    (void)state;
    enlh_x64_set_trap(f.partition, &ports);
    fake_set(&f, 1, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
    fake_set(&f, 1, ENL_REG_HYPERCALL, PAGE | ON);
    assert_true(rig_page_is(PAGE, 0));
    assert_int_equal(f.forward_count, 2);
    assert_int_equal(f.forward[0].reg, ENL_REG_GUEST_OS_ID);
    assert_int_equal(f.forward[0].value, FAKE_OS_ID);
    assert_int_equal(f.forward[0].vp, 1);
    assert_int_equal(f.forward[1].reg, ENL_REG_HYPERCALL);
    assert_int_equal(f.forward[1].value, PAGE | ON);
    /* Off: the page first, while it is still covered, then the identity. */
    fake_set(&f, 0, ENL_REG_GUEST_OS_ID, 0);
    assert_int_equal(f.forward_count, 4);
    assert_int_equal(f.forward[2].reg, ENL_REG_HYPERCALL);
    assert_int_equal(f.forward[2].value, PAGE);
    assert_int_equal(f.forward[3].reg, ENL_REG_GUEST_OS_ID);
    assert_true(rig_page_is(PAGE, 0xa5));
}

static void
hypercall_page_reset_tells_the_hypervisor_below(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
    fake_set(&f, 0, ENL_REG_HYPERCALL, PAGE | ON);
    fake_forget(&f);
    enlh_partition_reset(f.partition);
    assert_int_equal(f.forward_count, 2);
    assert_int_equal(f.forward[0].reg, ENL_REG_HYPERCALL);
    assert_int_equal(f.forward[0].value, 0);
    assert_int_equal(f.forward[1].reg, ENL_REG_GUEST_OS_ID);
    fake_forget(&f);
    enlh_partition_reset(f.partition);
    assert_int_equal(f.forward_count, 0);
}

static void
hypercall_page_has_the_32_bit_form(void **state)
{
    static const uint8_t code[] = {0xf3, 0x0f, 0x1e, 0xfb, 0xe6, TRAP, 0xc3};

    (void)state;
    enlh_x64_set_trap(f.partition, &ports);
    enlh_x64_set_long_mode(fake_vp(&f, 1), false);
    fake_set(&f, 1, ENL_REG_HYPERCALL, PAGE | ON);
    assert_memory_equal(fake_at(&f, PAGE, sizeof(code)), code, sizeof(code));
    /* VP 0 is in 64-bit mode, and so is the page that it asks for. */
    fake_set(&f, 0, ENL_REG_HYPERCALL, (PAGE + 0x1000) | ON);
    assert_int_equal(((uint8_t *)fake_at(&f, PAGE + 0x1000, 4))[3], 0xfa);
}

static void
hypercall_page_without_a_signal_port_only_traps(void **state)
{
    static const uint8_t code[] = {0xf3, 0x0f, 0x1e, 0xfa, 0xe6, TRAP, 0xc3, 0};
    const struct enlh_x64_trap trap = {.trap_port = TRAP};

    (void)state;
    enlh_x64_set_trap(f.partition, &trap);
    fake_set(&f, 0, ENL_REG_HYPERCALL, PAGE | ON);
    assert_memory_equal(fake_at(&f, PAGE, sizeof(code)), code, sizeof(code));
}

#if defined(__x86_64__)
/* What an OUT of the page saw, and what the handler answers. */
static struct {
    uint32_t count;
    uint16_t port;
    uint32_t width; /* bytes */
    uint64_t rax, rcx, rdx, r8;
    uint64_t trap_result;   /* into RAX, as the embedder does after a trap */
    uint64_t signal_status; /* onto RDX, as the embedder does for a signal */
} out;

/* OUT faults in user mode: this is the hypervisor. */
static void
on_out(int number, siginfo_t *info, void *context)
{
    greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *rip = (const uint8_t *)reg[REG_RIP];

    (void)number;
    (void)info;
    out.count++;
    out.rax = (uint64_t)reg[REG_RAX];
    out.rcx = (uint64_t)reg[REG_RCX];
    out.rdx = (uint64_t)reg[REG_RDX];
    out.r8 = (uint64_t)reg[REG_R8];
    if (rip[0] == 0xe6) {
        out.port = rip[1];
        out.width = 1;
        reg[REG_RAX] = (greg_t)out.trap_result;
        reg[REG_RIP] += 2;
    } else if (rip[0] == 0xef) {
        out.port = (uint16_t)out.rdx;
        out.width = 4;
        reg[REG_RDX] += (greg_t)out.signal_status;
        reg[REG_RIP] += 1;
    } else {
        _exit(99);
    }
}

/* Registers around a call of the page. */
struct machine {
    uint64_t rax, rcx, rdx, r8, rbx, r9;
};

static void
call_page(void *code, struct machine *m)
{
    register uint64_t r8 __asm__("r8") = m->r8;
    register uint64_t r9 __asm__("r9") = m->r9;

    __asm__ volatile("lea -256(%%rsp), %%rsp\n\t"
                     "call *%[code]\n\t"
                     "lea 256(%%rsp), %%rsp"
                     : "+a"(m->rax), "+c"(m->rcx), "+d"(m->rdx), "+b"(m->rbx), "+r"(r8),
                       "+r"(r9)
                     : [code] "r"(code)
                     : "memory", "cc");
    m->r8 = r8;
    m->r9 = r9;
}

static void *
install(void)
{
    struct sigaction action = {.sa_sigaction = on_out, .sa_flags = SA_SIGINFO};
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(code, MAP_FAILED);
    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
    enlh_x64_set_trap(f.partition, &ports);
    fake_set(&f, 0, ENL_REG_HYPERCALL, PAGE | ON);
    memcpy(code, fake_at(&f, PAGE, 4096), 4096);
    memset(&out, 0, sizeof(out));
    return code;
}

static const struct machine start = {.rax = 0x1111222233334444,
                                     .rcx = 0x1005d,
                                     .rdx = 0x2007,
                                     .r8 = 0x5555666677778888,
                                     .rbx = 0x9999aaaabbbbcccc,
                                     .r9 = 0xddddeeeeffff0000};

static void
assert_preserved(const struct machine *m, const struct machine *before)
{
    assert_int_equal(m->rcx, before->rcx);
    assert_int_equal(m->rdx, before->rdx);
    assert_int_equal(m->r8, before->r8);
    assert_int_equal(m->rbx, before->rbx);
    assert_int_equal(m->r9, before->r9);
}

static void
hypercall_code_signals_without_a_trap(void **state)
{
    struct machine m = start;

    (void)state;
    call_page(install(), &m);
    assert_int_equal(out.count, 1);
    assert_int_equal(out.port, SIGNAL);
    assert_int_equal(out.width, 4);
    assert_int_equal(out.rax, 0x2007);
    assert_int_equal(m.rax, 0);
    assert_preserved(&m, &start);
    m = start;
    m.rdx = 0xffffffff;
    call_page(install(), &m);
    assert_int_equal(out.rax, 0xffffffff);
    assert_int_equal(m.rax, 0);
    assert_int_equal(m.rdx, 0xffffffff);
}

/* An id that nothing matched: the embedder's status arrives in RAX. */
static void
hypercall_code_returns_the_embedders_status(void **state)
{
    struct machine m = start;
    void *code;

    (void)state;
    code = install();
    out.signal_status = ENL_HV_STATUS_INVALID_CONNECTION_ID;
    call_page(code, &m);
    assert_int_equal(m.rax, ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_preserved(&m, &start);
}

static void
hypercall_code_traps_for_the_rest(void **state)
{
    static const struct {
        uint64_t rcx, rdx;
    } other[] = {
        {0x5c, 0x2007},                  /* another call */
        {0x5d, 0x2007},                  /* in memory */
        {UINT64_C(0x10001005d), 0x2007}, /* reps */
        {UINT64_C(0xffffffff0001005d), 0x2007},
        {0x1005d, UINT64_C(0x100002007)}, /* a flag number */
        {0x1005d, UINT64_C(0x8000000000000000)},
        {0, 0},
    };
    void *code = NULL;

    (void)state;
    code = install();
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        struct machine m = start;
        struct machine before;

        m.rcx = other[i].rcx;
        m.rdx = other[i].rdx;
        before = m;
        out.count = 0;
        out.trap_result = 0xabcd0000ef01;
        call_page(code, &m);
        assert_int_equal(out.count, 1);
        assert_int_equal(out.port, TRAP);
        assert_int_equal(out.width, 1);
        /* The embedder sees the call as it was made. */
        assert_int_equal(out.rcx, before.rcx);
        assert_int_equal(out.rdx, before.rdx);
        assert_int_equal(out.r8, before.r8);
        assert_int_equal(m.rax, 0xabcd0000ef01);
        assert_preserved(&m, &before);
    }
}

static void
hypercall_code_starts_with_endbr64(void **state)
{
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

    (void)state;
    assert_memory_equal(install(), endbr64, sizeof(endbr64));
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(hypercall_page_needs_a_guest_os_id),
        CASE(hypercall_page_goes_with_the_guest_os_id),
        CASE(hypercall_page_that_is_locked_stays),
        CASE_BELOW(hypercall_page_is_left_to_the_hypervisor_below),
        CASE_BELOW(hypercall_page_reset_tells_the_hypervisor_below),
        CASE(hypercall_page_has_the_32_bit_form),
        CASE(hypercall_page_without_a_signal_port_only_traps),
#if defined(__x86_64__)
        CASE(hypercall_code_signals_without_a_trap),
        CASE(hypercall_code_returns_the_embedders_status),
        CASE(hypercall_code_traps_for_the_rest),
        CASE(hypercall_code_starts_with_endbr64),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
