/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/cpu.c - what a vCPU is, how it starts, and how it is made new for a reset
 *
 * Run by the machine while no vCPU runs. The state before the first KVM_RUN is kept and
 * put back at a reset: all registers but the TSC, which goes on, so that the partition's
 * clock stays what it is. Policy: no nested virtualization (VMX and SVM are hidden).
 * [Intel SDM 3A 9.1, boot.rst 1.15, Xen PVH entry]
 * Tests: test/unit/vmm_cpu.c for the leaves, test/os for the rest.
 */
#include "vmm/cpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define LEAF1_ECX_VMX          (1u << 5)
#define LEAF1_ECX_X2APIC       (1u << 21)
#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_EDX_HTT          (1u << 28)
#define EXT1_ECX_CMP_LEGACY    (1u << 1)
#define EXT1_ECX_SVM           (1u << 2)
#define LEVEL_SMT              1u
#define LEVEL_CORE             2u
#define DEFAULT_ADDRESS_BITS   36u

#define CR0_PE   UINT64_C(1)
#define CR0_ET   (UINT64_C(1) << 4)
#define CR0_NE   (UINT64_C(1) << 5)
#define CR0_PG   (UINT64_C(1) << 31)
#define CR4_PAE  (UINT64_C(1) << 5)
#define EFER_LME (UINT64_C(1) << 8)
#define EFER_LMA (UINT64_C(1) << 10)
#define RFLAGS_1 UINT64_C(2)

#define MSR_TSC           0x10u
#define MSR_TSC_ADJUST    0x3Bu
#define MSR_TSC_DEADLINE  0x6E0u
#define MSR_MTRR_DEF_TYPE 0x2FFu
#define MTRR_ENABLE_WB    0x806u
#define MSR_HYPERV_FIRST  0x40000000u
#define MSR_HYPERV_LAST   0x4000FFFFu
#define MSR_KVM_FIRST     0x4B564D00u
#define MSR_KVM_LAST      0x4B564DFFu
#define MSR_KVM_OLD_WALL  0x11u
#define MSR_KVM_OLD_TIME  0x12u

/* ---- CPUID ---- */

/* The power of two that count processors need of an APIC id. */
static uint32_t
id_bits(uint32_t count)
{
    uint32_t bits = 0;

    while ((UINT32_C(1) << bits) < count)
        bits++;
    return bits;
}

static void
adapt_topology(struct kvm_cpuid_entry2 *e, uint32_t index, uint32_t count)
{
    bool smt = e->index == 0, core = e->index == 1;

    e->eax = core ? id_bits(count) : 0;
    e->ebx = smt ? 1 : core ? count : 0;
    e->ecx = e->index | (smt ? LEVEL_SMT : core ? LEVEL_CORE : 0) << 8;
    e->edx = index;
}

/* Processors that share a cache, and cores in the package, less one each. */
static void
adapt_caches(struct kvm_cpuid_entry2 *e, uint32_t count)
{
    uint32_t level = e->eax >> 5 & 7, shared = level >= 3 ? count : 1;

    if (!(e->eax & 0x1F))
        return;
    e->eax &= 0x3FFFu;
    e->eax |= (shared - 1) << 14 | ((count - 1) & 0x3F) << 26;
}

static void
adapt(struct kvm_cpuid_entry2 *e, uint32_t index, uint32_t count)
{
    switch (e->function) {
    case 1:
        e->ebx = (e->ebx & 0xFFFFu) | (count & 0xFF) << 16 | (index & 0xFF) << 24;
        e->ecx = (e->ecx & ~LEAF1_ECX_VMX) | LEAF1_ECX_X2APIC | LEAF1_ECX_TSC_DEADLINE;
        e->edx = count > 1 ? e->edx | LEAF1_EDX_HTT : e->edx & ~LEAF1_EDX_HTT;
        break;
    case 4:
        adapt_caches(e, count);
        break;
    case 0xB:
    case 0x1F:
        adapt_topology(e, index, count);
        break;
    case 0x80000001u:
        e->ecx &= ~EXT1_ECX_SVM;
        e->ecx = count > 1 ? e->ecx | EXT1_ECX_CMP_LEGACY : e->ecx & ~EXT1_ECX_CMP_LEGACY;
        break;
    case 0x80000008u:
        e->ecx = (count - 1) | id_bits(count) << 12;
        break;
    case 0x8000001Eu:
        e->eax = index;
        e->ebx = index;
        e->ecx = 0;
        break;
    default:
        break;
    }
}

struct kvm_cpuid2 *
enlm_cpu_cpuid(int kvm_fd, uint32_t index, uint32_t count)
{
    struct kvm_cpuid2 *cpuid;

    cpuid = calloc(1, sizeof(*cpuid) + ENLM_CPUID_MAX * sizeof(cpuid->entries[0]));
    if (!cpuid)
        return NULL;
    cpuid->nent = ENLM_CPUID_MAX;
    if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
        free(cpuid);
        return NULL;
    }
    for (uint32_t i = 0; i < cpuid->nent; i++)
        adapt(&cpuid->entries[i], index, count);
    return cpuid;
}

uint32_t
enlm_cpu_address_bits(const struct kvm_cpuid2 *cpuid)
{
    for (uint32_t i = 0; i < cpuid->nent; i++) {
        if (cpuid->entries[i].function == 0x80000008u)
            return cpuid->entries[i].eax & 0xFF;
    }
    return DEFAULT_ADDRESS_BITS;
}

/* ---- the state before the first run ---- */

static bool
is_kept(uint32_t msr)
{
    return msr != MSR_TSC && msr != MSR_TSC_ADJUST && msr != MSR_TSC_DEADLINE &&
           msr != MSR_KVM_OLD_WALL && msr != MSR_KVM_OLD_TIME &&
           !(msr >= MSR_HYPERV_FIRST && msr <= MSR_HYPERV_LAST) &&
           !(msr >= MSR_KVM_FIRST && msr <= MSR_KVM_LAST);
}

/* Read or write as many as KVM takes; it stops at each that it does not have. */
static void
access_msrs(int vcpu_fd, unsigned long request, struct enlm_cpu_state *state)
{
    struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + sizeof(state->msrs));
    uint32_t at = 0, kept = 0;

    while (msrs && at < state->msr_count) {
        uint32_t left = state->msr_count - at;
        int done;

        msrs->nmsrs = left;
        memcpy(msrs->entries, &state->msrs[at], left * sizeof(msrs->entries[0]));
        done = ioctl(vcpu_fd, request, msrs);
        if (done < 0)
            break;
        if (request == KVM_GET_MSRS)
            memmove(&state->msrs[kept], msrs->entries,
                    (size_t)done * sizeof(msrs->entries[0]));
        kept += (uint32_t)done;
        at += (uint32_t)done + 1;
    }
    if (request == KVM_GET_MSRS)
        state->msr_count = kept;
    free(msrs);
}

static void
list_msrs(int kvm_fd, struct enlm_cpu_state *state)
{
    struct kvm_msr_list *list =
        calloc(1, sizeof(*list) + ENLM_MSR_MAX * sizeof(list->indices[0]));

    if (!list)
        return;
    list->nmsrs = ENLM_MSR_MAX;
    if (ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, list) < 0)
        list->nmsrs = 0;
    for (uint32_t i = 0; i < list->nmsrs; i++) {
        if (is_kept(list->indices[i]))
            state->msrs[state->msr_count++].index = list->indices[i];
    }
    free(list);
}

/* What firmware does on every processor. */
int
enlm_cpu_init(int vcpu_fd)
{
    struct enlm_cpu_state *one = calloc(1, sizeof(*one));

    if (!one)
        return -ENL_E_NOMEM;
    one->msr_count = 1;
    one->msrs[0].index = MSR_MTRR_DEF_TYPE;
    one->msrs[0].data = MTRR_ENABLE_WB;
    access_msrs(vcpu_fd, KVM_SET_MSRS, one);
    free(one);
    return 0;
}

int
enlm_cpu_save(int kvm_fd, int vcpu_fd, struct enlm_cpu_state *out)
{
    memset(out, 0, sizeof(*out));
    if (ioctl(vcpu_fd, KVM_GET_REGS, &out->regs) < 0 ||
        ioctl(vcpu_fd, KVM_GET_SREGS, &out->sregs) < 0 ||
        ioctl(vcpu_fd, KVM_GET_FPU, &out->fpu) < 0 ||
        ioctl(vcpu_fd, KVM_GET_LAPIC, &out->lapic) < 0 ||
        ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &out->events) < 0 ||
        ioctl(vcpu_fd, KVM_GET_MP_STATE, &out->mp) < 0 ||
        ioctl(vcpu_fd, KVM_GET_DEBUGREGS, &out->debug) < 0)
        return -ENL_E_IO;
    out->has_xcrs = ioctl(vcpu_fd, KVM_GET_XCRS, &out->xcrs) == 0;
    list_msrs(kvm_fd, out);
    access_msrs(vcpu_fd, KVM_GET_MSRS, out);
    return 0;
}

/* The APIC's mode is in sregs and must be there before the APIC's registers. */
int
enlm_cpu_restore(int vcpu_fd, const struct enlm_cpu_state *state)
{
    struct enlm_cpu_state copy = *state;

    if (ioctl(vcpu_fd, KVM_SET_MP_STATE, &copy.mp) < 0 ||
        ioctl(vcpu_fd, KVM_SET_SREGS, &copy.sregs) < 0 ||
        ioctl(vcpu_fd, KVM_SET_REGS, &copy.regs) < 0 ||
        ioctl(vcpu_fd, KVM_SET_FPU, &copy.fpu) < 0 ||
        ioctl(vcpu_fd, KVM_SET_LAPIC, &copy.lapic) < 0 ||
        ioctl(vcpu_fd, KVM_SET_DEBUGREGS, &copy.debug) < 0)
        return -ENL_E_IO;
    if (copy.has_xcrs && ioctl(vcpu_fd, KVM_SET_XCRS, &copy.xcrs) < 0)
        return -ENL_E_IO;
    access_msrs(vcpu_fd, KVM_SET_MSRS, &copy);
    copy.events.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
    return ioctl(vcpu_fd, KVM_SET_VCPU_EVENTS, &copy.events) < 0 ? -ENL_E_IO : 0;
}

/* ---- the entry ---- */

static struct kvm_segment
segment(uint16_t selector, uint8_t type, bool code, bool long_mode)
{
    struct kvm_segment s;

    memset(&s, 0, sizeof(s));
    s.limit = 0xFFFFFFFF;
    s.selector = selector;
    s.type = type;
    s.present = 1;
    s.s = 1;
    s.g = 1;
    s.l = code && long_mode;
    s.db = !s.l;
    return s;
}

static struct kvm_segment
task(void)
{
    struct kvm_segment s;

    memset(&s, 0, sizeof(s));
    s.limit = 0x67;
    s.selector = ENLM_GDT_TSS;
    s.type = 11; /* busy */
    s.present = 1;
    return s;
}

static void
set_segments(struct kvm_sregs *sregs, bool long_mode)
{
    sregs->cs = segment(ENLM_GDT_CODE, 11, true, long_mode);
    sregs->ds = segment(ENLM_GDT_DATA, 3, false, long_mode);
    sregs->es = sregs->fs = sregs->gs = sregs->ss = sregs->ds;
    sregs->tr = task();
    sregs->gdt.base = ENLM_BOOT_GDT;
    sregs->gdt.limit = ENLM_GDT_ENTRIES * 8 - 1;
    sregs->idt.base = 0;
    sregs->idt.limit = 0;
}

int
enlm_cpu_enter(int vcpu_fd, const struct enlm_entry *entry)
{
    struct kvm_sregs sregs;
    struct kvm_regs regs;

    if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
        return -ENL_E_IO;
    set_segments(&sregs, entry->long_mode);
    sregs.cr0 = CR0_PE | CR0_ET | CR0_NE;
    if (entry->long_mode) {
        sregs.cr3 = ENLM_BOOT_PAGE_TABLES;
        sregs.cr4 = CR4_PAE;
        sregs.cr0 |= CR0_PG;
        sregs.efer |= EFER_LME | EFER_LMA;
    }
    memset(&regs, 0, sizeof(regs));
    regs.rip = entry->rip;
    regs.rsi = entry->rsi;
    regs.rbx = entry->rbx;
    regs.rflags = RFLAGS_1;
    if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0 ||
        ioctl(vcpu_fd, KVM_SET_REGS, &regs) < 0)
        return -ENL_E_IO;
    return 0;
}
