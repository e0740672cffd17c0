/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/boot_rig.h - kernels made by hand, and memory to load them into
 *
 *   struct boot_rig rig;
 *   boot_rig_init(&rig, 64 << 20);
 *   rig_elf(&rig, ...); or rig_bzimage(&rig, ...);   fills rig.file
 *   err = rig_load(&rig);                            rig.entry, rig.why
 *   boot_rig_fini(&rig);
 */
#ifndef TEST_UNIT_BOOT_RIG_H
#define TEST_UNIT_BOOT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vmm/boot/boot.h"

#define RIG_FILE 65536u
#define RIG_LOAD UINT64_C(0x1000000) /* where the kernels want to be */

struct boot_rig {
    struct enlm_memory memory;
    struct enlm_boot_config config;
    struct enlm_entry entry;
    char why[ENLM_WHY];
    uint8_t file[RIG_FILE];
    size_t len;
};

void boot_rig_init(struct boot_rig *rig, uint64_t memory);
void boot_rig_fini(struct boot_rig *rig);

/* A vmlinux with one segment of 0x2000 bytes at RIG_LOAD, the last half zeros. */
void rig_elf(struct boot_rig *rig, bool with_pvh_note);
/* A bzImage whose payload is these bytes; its code is 0x90 throughout. */
void rig_bzimage(struct boot_rig *rig, const uint8_t *payload, size_t len);
/* The ELF of rig_elf(), packed as the kernel's build does it. Returns the length. */
size_t rig_pack_xz(const struct boot_rig *elf, uint8_t *to, size_t room);
size_t rig_pack_gzip(const struct boot_rig *elf, uint8_t *to, size_t room);
size_t rig_pack_zstd(const struct boot_rig *elf, uint8_t *to, size_t room);

void rig_initrd(struct boot_rig *rig, const void *bytes, uint64_t len);
int rig_load(struct boot_rig *rig);

#endif
