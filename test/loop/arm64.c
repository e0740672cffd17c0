/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/arm64.c - the guest half's arm64 platform, with the host half behind HVC
 *
 * An HVC outside the kernel is an illegal instruction: the signal's handler is the
 * hypervisor. It reads and writes processor registers as the calling convention says, and
 * hands registers and hypercalls to the machine. What the machine announces in the words
 * of CPUID it tells in registers with arm64's bits.
 */
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "enlight/abi/cpuid.h"
#include "enlight/abi/hypercall.h"
#include "enlight/abi/register.h"
#include "enlight/guest/arm64.h"
#include "enlight/guest/clock.h"
#include "enlight/guest/hypercall.h"
#include "test/loop/machine.h"
#include "test/loop/rig.h"

#define HVC_0         0xD4000002u
#define NOT_SUPPORTED UINT64_MAX
#define OS_ID         (ENL_GUEST_OS_ID_OPEN_SOURCE | 0x64)

static struct rig rig;
static struct enlg_partition partition;

static struct {
    struct enlg_platform machine; /* what answers below */
    bool stranger;                /* another hypervisor: it knows no call */
    uint64_t calls;
    uint64_t input[14]; /* X2 to X15 of the last hypercall */
} trap;

/* ---- what is announced ---- */

static uint32_t
moved(uint32_t from, uint32_t here, uint32_t there)
{
    return from & here ? there : 0;
}

static void
leaf_to_words(uint32_t leaf, struct enl_cpuid_leaf *w)
{
    if (leaf == ENL_CPUID_FEATURES) {
        w->ecx = moved(w->edx, ENL_FEAT_FREQUENCY, ENL_FEAT_ARM64_FREQUENCY) |
                 moved(w->edx, ENL_FEAT_CRASH, ENL_FEAT_ARM64_CRASH) |
                 moved(w->edx, ENL_FEAT_SINT_POLLING, ENL_FEAT_ARM64_SINT_POLLING) |
                 moved(w->edx, ENL_FEAT_DIRECT_STIMER, ENL_FEAT_ARM64_DIRECT_STIMER);
        w->edx = 0;
    } else if (leaf == ENL_CPUID_HINTS) {
        w->eax =
            moved(w->eax, ENL_HINT_CLUSTER_IPI, ENL_HINT_ARM64_CLUSTER_IPI) |
            moved(w->eax, ENL_HINT_EX_PROCESSOR_MASKS, ENL_HINT_ARM64_EX_PROCESSOR_MASKS);
    }
}

static bool
announced_get(uint64_t name, struct enl_reg_value *value)
{
    static const uint32_t leaves[] = {ENL_CPUID_VERSION, ENL_CPUID_FEATURES,
                                      ENL_CPUID_HINTS, ENL_CPUID_LIMITS};
    static const uint32_t names[] = {0x100, 0x200, 0x201, 0x202};

    for (uint32_t i = 0; i < 4; i++) {
        struct enl_cpuid_leaf w;

        if (name != names[i])
            continue;
        trap.machine.cpuid(trap.machine.ctx, leaves[i], &w);
        leaf_to_words(leaves[i], &w);
        value->low = (uint64_t)w.ebx << 32 | w.eax;
        value->high = (uint64_t)w.edx << 32 | w.ecx;
        return true;
    }
    return false;
}

/* ---- the hypervisor ---- */

/* x: X0 to X17. */
static uint64_t
registers_call(uint64_t *x, bool set)
{
    const struct enlg_platform *m = &trap.machine;
    struct enl_reg_value value = {0};
    uint64_t done = UINT64_C(1) << ENL_HCALL_REP_DONE_SHIFT;
    uint32_t name = (uint32_t)x[4];
    int rc = 0;

    loop_check((x[1] & ~ENL_HCALL_CODE) == (ENL_HCALL_FAST | UINT64_C(1) << 32));
    loop_check(x[2] == ENL_PARTITION_SELF && x[3] == ENL_VP_SELF && x[4] == name);
    if (set) {
        loop_check(x[5] == 0 && x[7] == 0);
        rc = m->set_reg(m->ctx, name, x[6]);
    } else if (!announced_get(name, &value)) {
        rc = m->get_reg(m->ctx, name, &value.low);
    }
    if (rc)
        return ENL_HV_STATUS_INVALID_PARAMETER;
    if (!set) {
        x[6] = value.low;
        x[7] = value.high;
    }
    return done;
}

static uint64_t
hypercall(uint64_t *x)
{
    const struct enlg_platform *m = &trap.machine;
    struct enlh_hypercall call = {x[1], x[2], x[3], &x[4]};

    trap.calls++;
    memcpy(trap.input, &x[2], sizeof(trap.input));
    switch (x[1] & ENL_HCALL_CODE) {
    case ENL_CALL_GET_VP_REGISTERS:
        return registers_call(x, false);
    case ENL_CALL_SET_VP_REGISTERS:
        return registers_call(x, true);
    case ENL_CALL_POST_MESSAGE:
        return m->hypercall(m->ctx, x, x[1], x[2], x[3]); /* with its faults */
    default:
        return enlh_vp_hypercall(loop_current->vp, &call);
    }
}

static void
uid_call(uint64_t *x)
{
    const uint64_t dirt = UINT64_C(0xDDDDDDDD) << 32;

    x[0] = dirt | 0x4D32BA58;
    x[1] = dirt | 0xCD244764;
    x[2] = dirt | 0x8EEF6C75;
    x[3] = dirt | 0x16597024;
}

static void
on_hvc(int signal, siginfo_t *info, void *context)
{
    mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
    uint64_t x[18];
    uint32_t instruction;

    (void)signal;
    (void)info;
    memcpy(&instruction, (const void *)(uintptr_t)machine->pc, sizeof(instruction));
    loop_check(instruction == HVC_0);
    for (uint32_t i = 0; i < 18; i++)
        x[i] = machine->regs[i];
    if (trap.stranger)
        x[0] = NOT_SUPPORTED;
    else if ((uint32_t)x[0] == ENL_SMCCC_HYPERCALL)
        x[0] = hypercall(x);
    else if ((uint32_t)x[0] == ENL_SMCCC_VENDOR_UID)
        uid_call(x);
    else
        x[0] = NOT_SUPPORTED;
    /* The convention lets a callee change these. */
    for (uint32_t i = 8; i < 18; i++)
        x[i] = UINT64_C(0xBADBADBAD);
    for (uint32_t i = 0; i < 18; i++)
        machine->regs[i] = x[i];
    machine->pc += 4;
}

/* ---- the machine ---- */

static void
machine_start(uint64_t seed)
{
    struct sigaction action = {.sa_sigaction = on_hvc, .sa_flags = SA_SIGINFO};
    struct enlg_platform *p = &rig.loop.platform;

    rig_init(&rig, seed);
    rig.disk_count = 1;
    rig_start(&rig);
    memset(&trap, 0, sizeof(trap));
    trap.machine = *p;
    loop_current = &rig.loop.vp[0];
    loop_check(sigaction(SIGILL, &action, NULL) == 0);
    enlg_arm64_platform(p);
    p->tsc = trap.machine.tsc; /* the machine's time is a number */
}

static void
machine_end(void)
{
    signal(SIGILL, SIG_DFL);
    rig.loop.platform = trap.machine;
    rig_end(&rig);
}

/* ---- cases ---- */

static void
arm64_finds_the_hypervisor(uint64_t seed)
{
    const struct enlg_features *f = enlg_partition_features(&partition);
    uint64_t os_id = 0;

    machine_start(seed);
    loop_check(enlg_arm64_is_named("MsHyperV"));
    loop_check(!enlg_arm64_is_named("KVMKVMKV"));
    loop_check(enlg_arm64_has_uid());
    loop_check(enlg_arm64_identify(OS_ID) == 0);
    loop_check(enlh_vp_get_reg(loop_current->vp, ENL_REG_GUEST_OS_ID, &os_id) == 0);
    loop_check(os_id == OS_ID);
    loop_check(enlg_partition_init(&partition, &rig.loop.platform) == 0);
    loop_check(f->max_leaf == ENL_CPUID_LIMITS && f->build != 0 && f->max_vps != 0);
    loop_check(f->hints == (ENL_HINT_NO_AUTO_EOI | ENL_HINT_CLUSTER_IPI |
                            ENL_HINT_EX_PROCESSOR_MASKS));
    loop_check(f->features == (ENL_FEAT_FREQUENCY | ENL_FEAT_CRASH |
                               ENL_FEAT_DIRECT_STIMER | ENL_FEAT_XMM_INPUT));
    loop_check(enlg_partition_has(&partition, ENL_PRIV_SYNIC | ENL_PRIV_STIMER |
                                                  ENL_PRIV_POST_MESSAGES));
    loop_check(enlh_vp_set_reg(loop_current->vp, ENL_REG_GUEST_OS_ID, 0) == 0);
    machine_end();
}

static void
arm64_leaves_another_hypervisor_alone(uint64_t seed)
{
    uint64_t value = 1;

    machine_start(seed);
    trap.stranger = true;
    loop_check(!enlg_arm64_has_uid());
    loop_check(enlg_arm64_identify(OS_ID) == -ENL_E_NODEV);
    loop_check(enlg_partition_init(&partition, &rig.loop.platform) == -ENL_E_NODEV);
    loop_check(enlg_arm64_get_reg(NULL, ENL_REG_VP_INDEX, &value) == -ENL_E_ACCESS);
    loop_check(value == 1);
    machine_end();
}

static void
arm64_registers_keep_to_their_names(uint64_t seed)
{
    uint64_t value, calls;

    machine_start(seed);
    loop_check(enlg_arm64_set_reg(NULL, ENL_REG_CRASH_P2, UINT64_MAX - 5) == 0);
    loop_check(enlg_arm64_get_reg(NULL, ENL_REG_CRASH_P2, &value) == 0);
    loop_check(value == UINT64_MAX - 5);
    loop_check(enlg_arm64_get_reg(NULL, 0x12345, &value) == -ENL_E_ACCESS);
    loop_check(enlg_arm64_set_reg(NULL, ENL_REG_VP_INDEX, 7) == -ENL_E_ACCESS);
    loop_check(rig.loop.faults == 2);
    rig.loop.faults = 0; /* on purpose */
    /* Names that no specification knows are on no wire. */
    calls = trap.calls;
    loop_check(enlg_arm64_get_reg(NULL, ENL_REG_RESET, &value) == -ENL_E_ACCESS);
    loop_check(enlg_arm64_set_reg(NULL, ENL_REG_RESET, 1) == -ENL_E_ACCESS);
    loop_check(trap.calls == calls);
    machine_end();
}

static void
arm64_hypercalls_have_their_operands(uint64_t seed)
{
    uint64_t words[ENLG_FAST_WORDS];

    machine_start(seed);
    for (uint32_t i = 0; i < ENLG_FAST_WORDS; i++)
        words[i] = 0x100 + i;
    loop_check(enlg_partition_init(&partition, &rig.loop.platform) == 0);
    loop_check(enlg_hypercall_enable(&partition, NULL, OS_ID) == 0);
    loop_check(enlg_hypercall_fast(&partition, 0x3FFF, 0, words, sizeof(words)) ==
               -ENL_E_NOTSUP);
    loop_check(memcmp(trap.input, words, sizeof(words)) == 0);
    loop_check(enlg_hypercall_fast16(&partition, ENL_CALL_SEND_IPI, 0x41, 2) == 0);
    loop_check(loop_vector_take(&rig.loop, 1, 0x41));
    loop_check(!loop_vector_take(&rig.loop, 0, 0x41));
    enlg_hypercall_disable(&partition);
    machine_end();
}

static void
arm64_counter_does_not_go_back(uint64_t seed)
{
    uint64_t first = enlg_arm64_tsc(NULL);

    (void)seed;
    loop_check(enlg_arm64_tsc(NULL) >= first);
}

/* A kernel's whole life, each register and each hypercall by HVC. */
static void
arm64_lives_on_the_bus(uint64_t seed)
{
    machine_start(seed);
    rig_run_quiet(&rig);
    loop_check(trap.calls > 50 && rig.loop.faults == 0);
    rig_leave(&rig);
    machine_end();
}

int
main(int argc, char **argv)
{
    static const struct loop_case cases[] = {
        {"arm64_finds_the_hypervisor", arm64_finds_the_hypervisor, 1},
        {"arm64_leaves_another_hypervisor_alone", arm64_leaves_another_hypervisor_alone,
         1},
        {"arm64_registers_keep_to_their_names", arm64_registers_keep_to_their_names, 1},
        {"arm64_hypercalls_have_their_operands", arm64_hypercalls_have_their_operands, 1},
        {"arm64_counter_does_not_go_back", arm64_counter_does_not_go_back, 1},
        {"arm64_lives_on_the_bus", arm64_lives_on_the_bus, 50},
    };

    return loop_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
