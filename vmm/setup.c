/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/setup.c - a machine out of KVM's parts, and back to its first state for a reset
 *
 * Run by the machine's maker, before any vCPU runs, and by the loop at a reset, while none
 * runs. Everything is made in the order of enlight/kvm/engine.h; what fails says which
 * part, and the maker takes everything down again.
 * Tests: test/os (X12, X13).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/acpi.h"
#include "vmm/internal.h"

#define TSS_GPA      0xFFFBD000u /* above every window, where KVM wants three pages */
#define IDENTITY_GPA UINT64_C(0xFFFBC000)

static int
refuse_errno(char why[ENLM_WHY], const char *what)
{
    int err = errno;

    return enlm_refuse(why, err == ENOMEM ? -ENL_E_NOMEM : -ENL_E_IO, "%s: %s", what,
                       strerror(err));
}

/* ---- KVM ---- */

static int
open_kvm(struct enlm_machine *machine, char why[ENLM_WHY])
{
    int err;

    if (machine->config.kvm_fd >= 0) {
        machine->kvm_fd = machine->config.kvm_fd;
        return 0;
    }
    machine->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    machine->owns_kvm = true;
    if (machine->kvm_fd >= 0)
        return 0;
    err = errno == ENOENT ? -ENL_E_NOENT : errno == EACCES ? -ENL_E_ACCESS : -ENL_E_NODEV;
    return enlm_refuse(why, err, "/dev/kvm: %s", strerror(errno));
}

static int
choose_engine(struct enlm_machine *machine, char why[ENLM_WHY])
{
    const char *missing;

    enlk_caps_probe(machine->kvm_fd, -1, &machine->caps);
    machine->kind = enlk_caps_choose(&machine->caps, machine->config.engine);
    missing = enlk_caps_missing(&machine->caps, machine->kind);
    if (!missing)
        return 0;
    return enlm_refuse(why, -ENL_E_NOTSUP,
                       "this KVM has no %s, which the %s engine needs", missing,
                       machine->kind == ENLK_KERNEL ? "kernel" : "user");
}

static int
check_features(struct enlm_machine *machine, char why[ENLM_WHY])
{
    const struct enlh_features *features = &machine->config.features;
    uint64_t unmet = features->set & ~enlk_caps_features(&machine->caps, machine->kind);
    enum enlh_feature which, lacks;

    for (size_t i = 0; unmet && enlh_feature_at(i); i++) {
        const struct enlh_feature_info *info = enlh_feature_at(i);

        if (unmet & ENLH_F_BIT(info->feature))
            return enlm_refuse(
                why, -ENL_E_INVAL,
                "the feature %s cannot be had from the %s engine on this host",
                info->name, machine->kind == ENLK_KERNEL ? "kernel" : "user");
    }
    if (enlh_features_check(features, &which, &lacks))
        return enlm_refuse(why, -ENL_E_INVAL, "the feature %s needs %s",
                           enlh_feature_at(which)->name, enlh_feature_at(lacks)->name);
    return 0;
}

static int
make_vm(struct enlm_machine *machine, char why[ENLM_WHY])
{
    uint64_t identity = IDENTITY_GPA;
    int len;

    do { /* a signal may end the wait for KVM's locks */
        machine->vm_fd = ioctl(machine->kvm_fd, KVM_CREATE_VM, 0UL);
    } while (machine->vm_fd < 0 && errno == EINTR);
    if (machine->vm_fd < 0)
        return refuse_errno(why, "KVM makes no machine");
    if (ioctl(machine->vm_fd, KVM_SET_TSS_ADDR, (unsigned long)TSS_GPA) < 0 ||
        ioctl(machine->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
        ioctl(machine->vm_fd, KVM_CREATE_IRQCHIP, 0UL) < 0)
        return refuse_errno(why, "KVM makes no interrupt controllers");
    len = ioctl(machine->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0UL);
    if (len <= 0)
        return refuse_errno(why, "KVM makes no vCPUs");
    machine->run_len = (size_t)len;
    return 0;
}

static int
make_memory(struct enlm_machine *machine, char why[ENLM_WHY])
{
    struct kvm_cpuid2 *cpuid = enlm_cpu_cpuid(machine->kvm_fd, 0, 1);
    struct enlm_layout layout;
    int err;

    if (!cpuid)
        return refuse_errno(why, "KVM tells no CPUID");
    err = enlm_layout_plan(&machine->config, enlm_cpu_address_bits(cpuid), &layout, why);
    free(cpuid);
    if (err)
        return err;
    err = enlm_memory_init(&machine->memory, &layout, machine->config.shared_memory);
    if (!err)
        err = enlm_memory_map(&machine->memory, machine->vm_fd);
    return err ? refuse_errno(why, "no memory for the guest") : 0;
}

static int
make_vcpus(struct enlm_machine *machine, char why[ENLM_WHY])
{
    for (uint32_t i = 0; i < machine->config.cpus; i++) {
        if (enlm_vcpu_init(machine, i))
            return refuse_errno(why, "KVM makes no more vCPUs");
    }
    return 0;
}

/* ---- engine and partition ---- */

static void
on_kick(void *ctx, uint32_t vp)
{
    struct enlm_machine *machine = ctx;

    enlm_vcpu_kick(&machine->vcpus[vp]);
}

static void
on_log(void *ctx, enum enlh_log_level level, const char *text)
{
    enlm_log(ctx, level, "%s", text);
}

static int
make_engine(struct enlm_machine *machine, char why[ENLM_WHY])
{
    const struct enlk_callbacks callbacks = {sizeof(callbacks), on_kick,
                                             enlm_machine_event, on_log};
    struct enlk_config config;
    int err;

    enlk_config_defaults(&config);
    config.kind = machine->kind;
    config.vm_fd = machine->vm_fd;
    config.vp_count = machine->config.cpus;
    err = enlk_engine_create(&config, &machine->caps, &callbacks, machine,
                             &machine->engine);
    for (uint32_t i = 0; !err && i < machine->config.cpus; i++)
        err = enlk_vcpu_add(machine->engine, i, machine->vcpus[i].fd,
                            machine->vcpus[i].run);
    return err ? enlm_refuse(why, err, "the engine cannot start: %s", strerror(errno))
               : 0;
}

static int
add_memory(struct enlm_machine *machine)
{
    const struct enlm_layout *l = &machine->memory.layout;
    enl_gpa low = {0}, high = {ENLM_4G};
    int region = enlh_mem_add(machine->partition, low, machine->memory.base, l->low_len);

    if (region >= 0 && l->high_len)
        region = enlh_mem_add(machine->partition, high, machine->memory.base + l->low_len,
                              l->high_len);
    return region < 0 ? region : 0;
}

static int
make_partition(struct enlm_machine *machine, char why[ENLM_WHY])
{
    struct enlh_config config;
    int err;

    config = machine->identity;
    config.vp_count = machine->config.cpus;
    config.features = machine->config.features;
    enlk_engine_complete(machine->engine, &config);
    err = enlh_partition_create(&config, enlk_engine_ops(machine->engine),
                                machine->engine, &machine->partition);
    if (!err)
        err = add_memory(machine);
    if (err)
        return enlm_refuse(why, err, "cannot make the partition: %s", strerror(-err));
    err = enlk_engine_start(machine->engine, machine->partition);
    return err ? enlm_refuse(why, err, "the engine cannot start: %s", strerror(errno))
               : 0;
}

static int
give_cpuid(struct enlm_machine *machine, uint32_t index)
{
    struct kvm_cpuid2 *cpuid =
        enlm_cpu_cpuid(machine->kvm_fd, index, machine->config.cpus);
    int err;

    if (!cpuid)
        return -ENL_E_IO;
    err = enlk_vcpu_set_cpuid(machine->engine, index, cpuid);
    free(cpuid);
    return err;
}

static int
keep_first_state(struct enlm_machine *machine, struct enlm_vcpu *vcpu)
{
    vcpu->first_state = malloc(sizeof(*vcpu->first_state));
    if (!vcpu->first_state || enlm_cpu_init(vcpu->fd))
        return -ENL_E_NOMEM;
    return enlm_cpu_save(machine->kvm_fd, vcpu->fd, vcpu->first_state);
}

static int
finish_vcpus(struct enlm_machine *machine, char why[ENLM_WHY])
{
    int err = 0;

    for (uint32_t i = 0; !err && i < machine->config.cpus; i++) {
        err = give_cpuid(machine, i);
        if (!err)
            err = keep_first_state(machine, &machine->vcpus[i]);
    }
    return err ? enlm_refuse(why, err, "KVM takes no vCPU state: %s", strerror(errno))
               : 0;
}

static int
keep_chips(struct enlm_machine *machine, char why[ENLM_WHY])
{
    for (uint32_t i = 0; i < 3; i++) {
        machine->chips[i].chip_id = i;
        if (ioctl(machine->vm_fd, KVM_GET_IRQCHIP, &machine->chips[i]) < 0)
            return refuse_errno(why, "KVM tells no interrupt controllers");
    }
    return 0;
}

int
enlm_setup(struct enlm_machine *machine, char why[ENLM_WHY])
{
    typedef int (*step_fn)(struct enlm_machine *, char[ENLM_WHY]);
    static const step_fn steps[] = {
        open_kvm,     choose_engine, check_features,    make_vm,
        make_memory,  make_vcpus,    make_engine,       make_partition,
        finish_vcpus, keep_chips,    enlm_devices_init, enlm_load,
    };
    int err = 0;

    for (size_t i = 0; !err && i < sizeof(steps) / sizeof(steps[0]); i++)
        err = steps[i](machine, why);
    return err;
}

void
enlm_teardown(struct enlm_machine *machine)
{
    enlm_devices_fini(machine);
    if (machine->partition)
        enlh_partition_destroy(machine->partition);
    enlk_engine_destroy(machine->engine);
    for (uint32_t i = 0; machine->vcpus && i < machine->config.cpus; i++)
        enlm_vcpu_fini(&machine->vcpus[i]);
    if (machine->vm_fd >= 0)
        close(machine->vm_fd);
    enlm_memory_fini(&machine->memory);
    if (machine->owns_kvm && machine->kvm_fd >= 0)
        close(machine->kvm_fd);
}

/* ---- the kernel ---- */

static int
write_acpi(struct enlm_machine *machine)
{
    struct enlm_acpi_config config = {
        .cpus = machine->config.cpus,
        .s4 = machine->config.acpi_s4,
        .layout = machine->memory.layout,
    };
    size_t len = ENLM_BOOT_RESET_VECTOR - ENLM_BOOT_ACPI;

    return enlm_acpi_build(&config, ENLM_BOOT_ACPI,
                           enlm_memory_at(&machine->memory, ENLM_BOOT_ACPI, len), len);
}

/*
 * Seen: Linux on hardware-reduced ACPI without EFI looks at no reset register; it goes back
 * to real mode and jumps to F000:FFF0. There: mov dx, port; mov al, 1; out dx, al; hlt.
 */
static void
write_reset_vector(struct enlm_machine *machine)
{
    enum { port = ENLM_ACPI_PORT + ENLM_ACPI_RESET };
    static const uint8_t code[] = {
        0xBA, port & 0xFF, port >> 8, 0xB0, ENLM_ACPI_RESET_VALUE, 0xEE, 0xF4, 0xEB, 0xFD,
    };

    memcpy(enlm_memory_at(&machine->memory, ENLM_BOOT_RESET_VECTOR, sizeof(code)), code,
           sizeof(code));
}

int
enlm_load(struct enlm_machine *machine, char why[ENLM_WHY])
{
    struct enlm_boot_config config = {
        .kernel_fd = machine->config.kernel_fd,
        .initrd_fd = machine->config.initrd_fd,
        .kernel_name = machine->kernel_name,
        .initrd_name = machine->initrd_name,
        .cmdline = machine->cmdline,
        .keep_packed = machine->config.keep_packed,
        .rsdp = ENLM_BOOT_ACPI,
    };
    int err = write_acpi(machine);

    if (err)
        return enlm_refuse(why, err, "the ACPI tables do not fit");
    write_reset_vector(machine);
    err = enlm_boot_load(&config, &machine->memory, &machine->entry, why);
    if (err)
        return err;
    err = enlm_cpu_enter(machine->vcpus[0].fd, &machine->entry);
    return err ? refuse_errno(why, "KVM takes no entry state") : 0;
}

/* Everything as before the first run, and the kernel in memory again. */
int
enlm_rewind(struct enlm_machine *machine, char why[ENLM_WHY])
{
    enlk_engine_reset(machine->engine);
    enlh_partition_reset(machine->partition);
    enlm_platform_reset(machine);
    for (uint32_t i = 0; i < 3; i++)
        ioctl(machine->vm_fd, KVM_SET_IRQCHIP, &machine->chips[i]);
    for (uint32_t i = 0; i < machine->config.cpus; i++) {
        if (enlm_cpu_restore(machine->vcpus[i].fd, machine->vcpus[i].first_state))
            return refuse_errno(why, "KVM takes no vCPU state");
    }
    if (enlm_memory_clear(&machine->memory))
        return refuse_errno(why, "the guest's memory cannot be cleared");
    return enlm_load(machine, why);
}
