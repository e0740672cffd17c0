/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/boot/pvh.c - the start info of the PVH entry
 *
 * Run by the loader; writes guest memory before there is a guest. The structures lie one
 * behind the other from ENLM_BOOT_START_INFO on. [Xen, docs/misc/pvh; start_info.h]
 * Tests: test/unit/vmm_boot.c, test/guest.
 */
#include <string.h>

#include "enlight/abi/base.h"
#include "vmm/boot/boot.h"

#define START_MAGIC   0x336EC578u
#define START_VERSION 1u

struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, cmdline, rsdp, memory_map;
    uint32_t memory_map_count, reserved;
};
ENL_ABI_SIZE(struct start_info, 56);

struct module {
    uint64_t gpa, len, cmdline, reserved;
};
ENL_ABI_SIZE(struct module, 32);

struct map_entry {
    uint64_t gpa, len;
    uint32_t type, reserved;
};
ENL_ABI_SIZE(struct map_entry, 24);

struct all {
    struct start_info info;
    struct module initrd;
    struct map_entry map[ENLM_E820_MAX];
};

void
enlm_pvh_handover(const struct enlm_memory *memory, const struct enlm_handover *what)
{
    struct enlm_e820 map[ENLM_E820_MAX];
    uint32_t count = enlm_e820_build(&memory->layout, map);
    struct all all;

    memset(&all, 0, sizeof(all));
    all.info.magic = START_MAGIC;
    all.info.version = START_VERSION;
    all.info.cmdline = what->cmdline;
    all.info.rsdp = what->rsdp;
    all.info.memory_map = ENLM_BOOT_START_INFO + offsetof(struct all, map);
    all.info.memory_map_count = count;
    if (what->initrd_len) {
        all.info.module_count = 1;
        all.info.modules = ENLM_BOOT_START_INFO + offsetof(struct all, initrd);
        all.initrd.gpa = what->initrd;
        all.initrd.len = what->initrd_len;
    }
    for (uint32_t i = 0; i < count; i++) {
        all.map[i].gpa = map[i].gpa;
        all.map[i].len = map[i].len;
        all.map[i].type = map[i].type;
    }
    memcpy(enlm_memory_at(memory, ENLM_BOOT_START_INFO, sizeof(all)), &all, sizeof(all));
}
