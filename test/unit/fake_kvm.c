/* SPDX-License-Identifier: BSD-2-Clause */
/* A KVM that remembers what it was told: see fake_kvm.h. */
#define _GNU_SOURCE
#include "fake_kvm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DATA_OFFSET 4096u

struct fake_kvm k;

/* In place of the C library's. */
int ioctl(int fd, unsigned long request, ...);

static int
refuse(int error)
{
    errno = error;
    return -1;
}

/* ---- the machine ---- */

static int
set_routes(const struct kvm_irq_routing *table)
{
    if (table->nr > FAKE_ROUTES)
        return refuse(EINVAL);
    k.route_count = table->nr;
    memcpy(k.routes, table->entries, table->nr * sizeof(k.routes[0]));
    return 0;
}

static int
get_hv_cpuid(struct kvm_cpuid2 *cpuid)
{
    cpuid->nent = k.hv_count;
    memcpy(cpuid->entries, k.hv, k.hv_count * sizeof(k.hv[0]));
    return 0;
}

static int
get_clock(struct kvm_clock_data *clock)
{
    clock->clock = k.clock_ns;
    clock->flags = k.clock_flags;
    return 0;
}

static int
doorbell(void *to, const void *from, size_t len, uint32_t *count)
{
    if (k.doorbell_error)
        return refuse(k.doorbell_error);
    memcpy(to, from, len);
    (*count)++;
    return 0;
}

static int
vm_ioctl(unsigned long request, void *arg)
{
    switch (request) {
    case KVM_CHECK_EXTENSION:
        if ((uint64_t)(uintptr_t)arg == k.kvm_absent)
            return 0;
        return (uintptr_t)arg == KVM_CAP_SYNC_REGS ? KVM_SYNC_X86_VALID_FIELDS : 1;
    case KVM_GET_SUPPORTED_HV_CPUID:
        return get_hv_cpuid(arg);
    case KVM_ENABLE_CAP:
        return 0;
    case KVM_X86_SET_MSR_FILTER:
        k.filter = *(struct kvm_msr_filter *)arg;
        return 0;
    case KVM_SIGNAL_MSI:
        k.msi = *(struct kvm_msi *)arg;
        k.msis++;
        return 1;
    case KVM_IRQ_LINE:
        k.line = *(struct kvm_irq_level *)arg;
        k.lines++;
        return 0;
    case KVM_IRQFD:
        k.irqfd[k.irqfds++ % FAKE_VCPUS] = *(struct kvm_irqfd *)arg;
        return 0;
    case KVM_IOEVENTFD:
        return doorbell(&k.ioeventfd, arg, sizeof(k.ioeventfd), &k.ioeventfds);
    case KVM_HYPERV_EVENTFD:
        return doorbell(&k.hv_eventfd, arg, sizeof(k.hv_eventfd), &k.hv_eventfds);
    case KVM_SET_GSI_ROUTING:
        return set_routes(arg);
    case KVM_GET_CLOCK:
        return get_clock(arg);
    case KVM_SET_CLOCK:
        k.clock_ns = ((struct kvm_clock_data *)arg)->clock;
        return 0;
    default:
        return refuse(ENOTTY);
    }
}

/* ---- a vCPU ---- */

static int
set_msrs(struct fake_vcpu *vcpu, const struct kvm_msrs *msrs)
{
    for (uint32_t i = 0; i < msrs->nmsrs; i++) {
        struct fake_msr *to = &vcpu->msrs[vcpu->msr_count++ % FAKE_MSRS];

        to->index = msrs->entries[i].index;
        to->value = msrs->entries[i].data;
    }
    return (int)msrs->nmsrs;
}

static int
set_sregs(struct fake_vcpu *vcpu, const struct kvm_sregs *sregs)
{
    vcpu->sregs = *sregs;
    vcpu->cr4_seen[vcpu->set_sregs++ % 8] = sregs->cr4;
    return 0;
}

static int
device_attr(struct fake_vcpu *vcpu, unsigned long request,
            const struct kvm_device_attr *attr)
{
    uint64_t *value = (uint64_t *)(uintptr_t)attr->addr;

    if (request == KVM_GET_DEVICE_ATTR)
        *value = vcpu->tsc_offset;
    else
        vcpu->tsc_offset = *value;
    return 0;
}

static int
set_cpuid(struct fake_vcpu *vcpu, const struct kvm_cpuid2 *cpuid)
{
    vcpu->cpuid_count = cpuid->nent;
    memcpy(vcpu->cpuid, cpuid->entries, cpuid->nent * sizeof(vcpu->cpuid[0]));
    return 0;
}

static int
vcpu_ioctl(struct fake_vcpu *vcpu, unsigned long request, void *arg)
{
    switch (request) {
    case KVM_RUN:
        vcpu->runs++;
        return refuse(EINTR);
    case KVM_GET_TSC_KHZ:
        return 2000000;
    case KVM_GET_DEVICE_ATTR:
    case KVM_SET_DEVICE_ATTR:
        return device_attr(vcpu, request, arg);
    case KVM_ENABLE_CAP:
        vcpu->caps[vcpu->cap_count++ % 8] = ((struct kvm_enable_cap *)arg)->cap;
        return 0;
    case KVM_GET_REGS:
        *(struct kvm_regs *)arg = vcpu->regs;
        return 0;
    case KVM_SET_REGS:
        vcpu->regs = *(struct kvm_regs *)arg;
        vcpu->set_regs++;
        return 0;
    case KVM_GET_SREGS:
        *(struct kvm_sregs *)arg = vcpu->sregs;
        return 0;
    case KVM_SET_SREGS:
        return set_sregs(vcpu, arg);
    case KVM_GET_FPU:
        *(struct kvm_fpu *)arg = vcpu->fpu;
        return 0;
    case KVM_GET_VCPU_EVENTS:
        *(struct kvm_vcpu_events *)arg = vcpu->events;
        return 0;
    case KVM_SET_VCPU_EVENTS:
        vcpu->events = *(struct kvm_vcpu_events *)arg;
        vcpu->set_events++;
        return 0;
    case KVM_GET_MP_STATE:
        *(struct kvm_mp_state *)arg = vcpu->mp;
        return 0;
    case KVM_SET_MP_STATE:
        vcpu->mp = *(struct kvm_mp_state *)arg;
        return 0;
    case KVM_SET_MSRS:
        return set_msrs(vcpu, arg);
    case KVM_SET_CPUID2:
        return set_cpuid(vcpu, arg);
    default:
        return refuse(ENOTTY);
    }
}

int
ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (k.vm_fd > 0 && fd == k.vm_fd)
        return vm_ioctl(request, arg);
    for (uint32_t i = 0; i < FAKE_VCPUS; i++) {
        if (k.vcpu[i].fd > 0 && fd == k.vcpu[i].fd)
            return vcpu_ioctl(&k.vcpu[i], request, arg);
    }
    return (int)syscall(SYS_ioctl, fd, request, arg);
}

/* ---- the embedder ---- */

static void
on_kick(void *ctx, uint32_t vp)
{
    (void)ctx;
    k.kicks[vp]++;
}

static void
on_event(void *ctx, const struct enlh_event *event)
{
    (void)ctx;
    k.events++;
    k.event = event->kind;
}

static void
make_vcpu(struct fake_vcpu *vcpu)
{
    vcpu->fd = memfd_create("vcpu", MFD_CLOEXEC);
    assert_true(vcpu->fd > 0);
    vcpu->run = calloc(1, 2 * DATA_OFFSET);
    assert_non_null(vcpu->run);
    vcpu->regs.rflags = 0x202;
    vcpu->sregs.cr0 = 0x80000001;
    vcpu->sregs.cr4 = 0xA0;
    vcpu->sregs.efer = 0x500;
    vcpu->sregs.cs.l = 1;
}

static void
make_partition(uint32_t vp_count, uint64_t features)
{
    struct enlh_config config;
    enl_gpa zero = {0};

    enlh_config_defaults(&config);
    config.vp_count = vp_count;
    if (features)
        config.features.set = features & ~FAKE_NONE;
    enlk_engine_complete(k.engine, &config);
    assert_int_equal(
        enlh_partition_create(&config, enlk_engine_ops(k.engine), k.engine, &k.partition),
        0);
    k.memory = aligned_alloc(4096, FAKE_MEMORY);
    assert_non_null(k.memory);
    memset(k.memory, 0, FAKE_MEMORY);
    assert_int_equal(enlh_mem_add(k.partition, zero, k.memory, FAKE_MEMORY), 0);
}

static void
init(enum enlk_kind kind, uint32_t vp_count, uint64_t features, uint32_t route_count)
{
    static const struct kvm_irq_routing_entry routes[FAKE_ROUTES];
    const struct enlk_callbacks callbacks = {sizeof(callbacks), on_kick, on_event, NULL};
    struct enlk_config config;

    memset(&k, 0, sizeof(k));
    k.kvm_absent = FAKE_ALL;
    k.vm_fd = memfd_create("vm", MFD_CLOEXEC);
    assert_true(k.vm_fd > 0);
    enlk_caps_probe(k.vm_fd, k.vm_fd, &k.caps);
    enlk_config_defaults(&config);
    config.kind = kind;
    config.vm_fd = k.vm_fd;
    config.vp_count = vp_count;
    config.routes = routes;
    config.route_count = route_count;
    assert_int_equal(enlk_engine_create(&config, &k.caps, &callbacks, NULL, &k.engine),
                     0);
    for (uint32_t i = 0; i < vp_count; i++) {
        make_vcpu(&k.vcpu[i]);
        k.vcpu[i].tsc_offset = 0x1000 * (i + 1);
        assert_int_equal(enlk_vcpu_add(k.engine, i, k.vcpu[i].fd, k.vcpu[i].run), 0);
    }
    make_partition(vp_count, features);
    assert_int_equal(enlk_engine_start(k.engine, k.partition), 0);
}

void
fake_kvm_init(enum enlk_kind kind, uint32_t vp_count, uint64_t features)
{
    init(kind, vp_count, features, 0);
}

void
fake_kvm_init_routes(uint32_t vp_count, uint32_t route_count)
{
    init(ENLK_KERNEL, vp_count, 0, route_count);
}

void
fake_kvm_fini(void)
{
    enlh_partition_destroy(k.partition);
    enlk_engine_destroy(k.engine);
    for (uint32_t i = 0; i < FAKE_VCPUS; i++) {
        if (k.vcpu[i].fd > 0)
            close(k.vcpu[i].fd);
        free(k.vcpu[i].run);
    }
    close(k.vm_fd);
    free(k.memory);
    memset(&k, 0, sizeof(k));
}

enum enlk_exit
fake_kvm_exit(uint32_t vp)
{
    enlk_vcpu_enter(k.engine, vp);
    enlk_vcpu_leave(k.engine, vp);
    k.vcpu[vp].run->s.regs.regs = k.vcpu[vp].regs;
    k.vcpu[vp].run->kvm_dirty_regs = 0;
    return enlk_vcpu_exit(k.engine, vp);
}

int
fake_kvm_wrmsr(uint32_t vp, uint32_t msr, uint64_t value)
{
    struct kvm_run *run = k.vcpu[vp].run;

    run->exit_reason = KVM_EXIT_X86_WRMSR;
    run->msr.index = msr;
    run->msr.data = value;
    run->msr.error = 7;
    assert_int_equal(fake_kvm_exit(vp), ENLK_EXIT_HANDLED);
    return run->msr.error;
}

int
fake_kvm_rdmsr(uint32_t vp, uint32_t msr, uint64_t *value)
{
    struct kvm_run *run = k.vcpu[vp].run;

    run->exit_reason = KVM_EXIT_X86_RDMSR;
    run->msr.index = msr;
    run->msr.error = 7;
    assert_int_equal(fake_kvm_exit(vp), ENLK_EXIT_HANDLED);
    *value = run->msr.data;
    return run->msr.error;
}

enum enlk_exit
fake_kvm_out(uint32_t vp, uint16_t port, uint8_t size, uint32_t data)
{
    struct kvm_run *run = k.vcpu[vp].run;

    run->exit_reason = KVM_EXIT_IO;
    run->io.direction = KVM_EXIT_IO_OUT;
    run->io.size = size;
    run->io.port = port;
    run->io.count = 1;
    run->io.data_offset = DATA_OFFSET;
    memcpy((uint8_t *)run + DATA_OFFSET, &data, sizeof(data));
    return fake_kvm_exit(vp);
}

bool
fake_kvm_msr(uint32_t vp, uint32_t msr, uint64_t *value)
{
    const struct fake_vcpu *vcpu = &k.vcpu[vp];
    uint32_t count = vcpu->msr_count < FAKE_MSRS ? vcpu->msr_count : FAKE_MSRS;
    bool found = false;

    for (uint32_t i = 0; i < count; i++) {
        if (vcpu->msrs[i].index == msr) {
            *value = vcpu->msrs[i].value;
            found = true;
        }
    }
    return found;
}
