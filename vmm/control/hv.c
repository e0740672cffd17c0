/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/hv.c - the answer to query-hv: leaves and registers, decoded
 *
 * Run by the loop while the vCPUs are paused. Registers that this guest was not told of are
 * not read. On the kernel engine KVM has the SynIC and the timers, and tells them.
 * Tests: test/unit/control_machine.c, test/os/control.sh.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "enlight/abi/cpuid.h"
#include "enlight/abi/register.h"
#include "enlight/host/x86_64.h"
#include "vmm/control/machine.h"

#define TEXT 80u

typedef void (*decode_fn)(uint64_t value, char text[TEXT]);

/* ---- what registers say ---- */

static void
plain(uint64_t value, char text[TEXT])
{
    (void)value;
    text[0] = 0;
}

static void
number(uint64_t value, char text[TEXT])
{
    snprintf(text, TEXT, "%" PRIu64, value);
}

static void
on_off(uint64_t value, char text[TEXT])
{
    snprintf(text, TEXT, "%s", value & 1 ? "on" : "off");
}

static void
page(uint64_t value, char text[TEXT])
{
    if (value & ENL_PAGE_REG_ENABLE)
        snprintf(text, TEXT, "page 0x%" PRIx64, value & ENL_PAGE_REG_GPA);
    else
        snprintf(text, TEXT, "off");
}

static void
os_id(uint64_t value, char text[TEXT])
{
    uint32_t type =
        (uint32_t)(value >> ENL_GUEST_OS_ID_TYPE_SHIFT) & ENL_GUEST_OS_ID_TYPE_MASK;
    uint32_t version = (uint32_t)(value >> ENL_GUEST_OS_ID_VERSION_SHIFT);
    const char *name = type == ENL_GUEST_OS_ID_TYPE_LINUX     ? "Linux"
                       : type == ENL_GUEST_OS_ID_TYPE_FREEBSD ? "FreeBSD"
                                                              : "open source";

    if (!value)
        snprintf(text, TEXT, "not told yet");
    else if (value & ENL_GUEST_OS_ID_OPEN_SOURCE)
        snprintf(text, TEXT, "%s %u.%u.%u", name, version >> 16, version >> 8 & 0xFFu,
                 version & 0xFFu);
    else
        snprintf(text, TEXT, "vendor %u", (uint32_t)(value >> 48));
}

static void
sint(uint64_t value, char text[TEXT])
{
    if (value & ENL_SINT_MASKED)
        snprintf(text, TEXT, "masked");
    else
        snprintf(text, TEXT, "vector 0x%02x%s%s", (unsigned)(value & ENL_SINT_VECTOR),
                 value & ENL_SINT_AUTO_EOI ? ", AutoEOI" : "",
                 value & ENL_SINT_POLLING ? ", polling" : "");
}

static void
stimer(uint64_t value, char text[TEXT])
{
    if (!value) {
        snprintf(text, TEXT, "off");
        return;
    }
    if (value & ENL_STIMER_DIRECT)
        snprintf(text, TEXT, "vector 0x%02x",
                 (unsigned)((value & ENL_STIMER_VECTOR) >> ENL_STIMER_VECTOR_SHIFT));
    else
        snprintf(text, TEXT, "SINT %u",
                 (unsigned)((value & ENL_STIMER_SINT) >> ENL_STIMER_SINT_SHIFT));
    if (value & ENL_STIMER_PERIODIC)
        strcat(text, ", periodic");
    strcat(text, value & ENL_STIMER_ENABLE ? ", armed" : ", not armed");
}

/* ---- which registers ---- */

struct row {
    uint32_t reg, count, step;
    const char *name; /* with a number behind it where there are several */
    enum enlh_feature feature;
    bool once;  /* the partition's: told for VP 0 */
    bool below; /* KVM's on the kernel engine */
    decode_fn decode;
};

static const struct row rows[] = {
    {ENL_REG_GUEST_OS_ID, 1, 1, "GUEST_OS_ID", ENLH_F_BASE, true, false, os_id},
    {ENL_REG_HYPERCALL, 1, 1, "HYPERCALL", ENLH_F_BASE, true, false, page},
    {ENL_REG_TIME_REF_COUNT, 1, 1, "TIME_REF_COUNT", ENLH_F_TIME, true, false, number},
    {ENL_REG_REFERENCE_TSC, 1, 1, "REFERENCE_TSC", ENLH_F_TIME, true, false, page},
    {ENL_REG_TSC_FREQUENCY, 1, 1, "TSC_FREQUENCY", ENLH_F_FREQUENCIES, true, false,
     number},
    {ENL_REG_APIC_FREQUENCY, 1, 1, "APIC_FREQUENCY", ENLH_F_FREQUENCIES, true, false,
     number},
    {ENL_REG_TSC_INVARIANT_CONTROL, 1, 1, "TSC_INVARIANT_CONTROL", ENLH_F_TSC_INVARIANT,
     true, false, on_off},
    {ENL_REG_CRASH_P0, ENL_CRASH_PARAMS, 1, "CRASH_P", ENLH_F_CRASH, true, false, plain},
    {ENL_REG_VP_ASSIST_PAGE, 1, 1, "VP_ASSIST_PAGE", ENLH_F_BASE, false, false, page},
    {ENL_REG_SCONTROL, 1, 1, "SCONTROL", ENLH_F_SYNIC, false, true, on_off},
    {ENL_REG_SIMP, 1, 1, "SIMP", ENLH_F_SYNIC, false, true, page},
    {ENL_REG_SIEFP, 1, 1, "SIEFP", ENLH_F_SYNIC, false, true, page},
    {ENL_REG_SINT0, ENL_SINT_COUNT, 1, "SINT", ENLH_F_SYNIC, false, true, sint},
    {ENL_REG_STIMER0_CONFIG, ENL_STIMER_COUNT, 2, "STIMER_CONFIG", ENLH_F_STIMER, false,
     true, stimer},
    {ENL_REG_STIMER0_COUNT, ENL_STIMER_COUNT, 2, "STIMER_COUNT", ENLH_F_STIMER, false,
     true, number},
};

static int
read_below(struct enlm_machine *machine, uint32_t vp, uint32_t reg, uint64_t *value)
{
    union {
        struct kvm_msrs head;
        unsigned char room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
    } one;

    memset(&one, 0, sizeof(one));
    one.head.nmsrs = 1;
    one.head.entries[0].index = enlh_x64_msr_of(reg);
    if (ioctl(machine->vcpus[vp].fd, KVM_GET_MSRS, &one) != 1)
        return -ENL_E_IO;
    *value = one.head.entries[0].data;
    return 0;
}

static int
read_register(struct enlm_machine *machine, uint32_t vp, const struct row *row,
              uint32_t reg, uint64_t *value)
{
    if (row->below && machine->kind == ENLK_KERNEL)
        return read_below(machine, vp, reg, value);
    return enlh_vp_get_reg(enlh_partition_vp(machine->partition, vp), reg, value);
}

static void
add_row(struct enlm_machine *machine, uint32_t vp, const struct row *row, json_t *list)
{
    for (uint32_t i = 0; i < row->count; i++) {
        char name[32], hex[24], text[TEXT];
        uint64_t value;

        if (read_register(machine, vp, row, row->reg + i * row->step, &value))
            continue;
        if (row->count > 1)
            snprintf(name, sizeof(name), "%s%u", row->name, i);
        else
            snprintf(name, sizeof(name), "%s", row->name);
        snprintf(hex, sizeof(hex), "0x%016" PRIx64, value);
        row->decode(value, text);
        json_array_append_new(list, json_pack("{sI, ss, ss, ss}", "vp", (json_int_t)vp,
                                              "name", name, "value", hex, "text", text));
    }
}

static json_t *
registers(struct enlm_machine *machine)
{
    uint64_t set = enlh_partition_config(machine->partition)->features.set;
    json_t *list = json_array();

    for (uint32_t vp = 0; vp < machine->config.cpus; vp++) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            if ((set & ENLH_F_BIT(rows[i].feature)) && !(rows[i].once && vp))
                add_row(machine, vp, &rows[i], list);
        }
    }
    return list;
}

/* ---- leaves ---- */

static void
leaf_text(const struct enlh_cpuid *leaf, char text[TEXT])
{
    static const char *const names[] = {
        "vendor",   "interface",      "version",    "privileges", "hints", "limits",
        "hardware", "cpu management", "nested SVM", "",           "nested"};
    uint32_t index = leaf->leaf - ENL_CPUID_BASE;
    char letters[13] = "";

    memcpy(letters, &leaf->ebx, 4);
    memcpy(letters + 4, &leaf->ecx, 4);
    memcpy(letters + 8, &leaf->edx, 4);
    if (index == 0)
        snprintf(text, TEXT, "vendor \"%s\", up to 0x%x", letters, leaf->eax);
    else if (leaf->leaf == ENL_CPUID_VERSION)
        snprintf(text, TEXT, "version %u.%u, build %u", leaf->ebx >> 16,
                 leaf->ebx & 0xFFFFu, leaf->eax);
    else
        snprintf(text, TEXT, "%s",
                 index < sizeof(names) / sizeof(names[0]) ? names[index] : "");
}

static json_t *
leaves(const struct enlm_machine *machine)
{
    struct enlh_cpuid cpuid[16];
    uint32_t count = enlh_x64_cpuid(machine->partition, cpuid);
    json_t *list = json_array();

    for (uint32_t i = 0; i < count; i++) {
        char text[TEXT];

        leaf_text(&cpuid[i], text);
        json_array_append_new(
            list, json_pack("{sI, sI, sI, sI, sI, ss}", "leaf", (json_int_t)cpuid[i].leaf,
                            "eax", (json_int_t)cpuid[i].eax, "ebx",
                            (json_int_t)cpuid[i].ebx, "ecx", (json_int_t)cpuid[i].ecx,
                            "edx", (json_int_t)cpuid[i].edx, "text", text));
    }
    return list;
}

static json_t *
features(const struct enlm_machine *machine)
{
    uint64_t set = enlh_partition_config(machine->partition)->features.set;
    const struct enlh_feature_info *info;
    json_t *list = json_array();

    for (size_t i = 0; (info = enlh_feature_at(i)); i++) {
        if (set & ENLH_F_BIT(info->feature))
            json_array_append_new(list, json_string(info->name));
    }
    return list;
}

json_t *
enlm_control_hv(struct enlm_machine *machine)
{
    struct enlh_counters n;

    enlh_partition_counters(machine->partition, &n);
    return json_pack("{ss, so, sI, sI, sI, sI, sI, so, so}", "engine",
                     machine->kind == ENLK_KERNEL ? "kernel" : "user", "features",
                     features(machine), "hypercalls", (json_int_t)n.hypercalls,
                     "messages", (json_int_t)n.messages, "events", (json_int_t)n.events,
                     "timers", (json_int_t)n.timers, "register-faults",
                     (json_int_t)n.register_faults, "leaves", leaves(machine),
                     "registers", registers(machine));
}
