/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/memory.c - the guest's RAM: its place, its file, its memory slots
 *
 * Run by the machine before the guest, and at a reset. Trusts the configuration only as far
 * as it was checked here: RAM never overlaps a window, and everything fits the address
 * bits of the processor. RAM is one memfd, so that a backend in another process can map it.
 * Tests: test/unit/vmm_layout.c.
 */
#include "vmm/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB             (UINT64_C(1) << 20)
#define GIB             (UINT64_C(1) << 30)
#define LOW_WINDOW      UINT64_C(0xF8000000) /* where a generation 2 machine has it */
#define LOW_WINDOW_MIN  GIB                  /* it never starts below: RAM goes there */
#define HIGH_WINDOW_LEN (4 * GIB)
#define WINDOW_ALIGN    (2 * MIB)

static uint64_t
round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static int
plan_low(uint64_t wish, struct enlm_layout *out, char why[ENLM_WHY])
{
    if (!wish)
        wish = ENLM_IOAPIC_GPA - LOW_WINDOW;
    if (wish % WINDOW_ALIGN || wish > ENLM_IOAPIC_GPA - LOW_WINDOW_MIN) {
        snprintf(why, ENLM_WHY,
                 "an MMIO window of %" PRIu64
                 " bytes below 4 GiB would overlap guest memory: "
                 "take a multiple of 2 MiB up to %" PRIu64 " MiB",
                 wish, (ENLM_IOAPIC_GPA - LOW_WINDOW_MIN) / MIB);
        return -ENL_E_INVAL;
    }
    out->low_window = ENLM_IOAPIC_GPA - wish;
    out->low_window_len = wish;
    return 0;
}

static int
plan_high(uint64_t wish, uint32_t address_bits, struct enlm_layout *out,
          char why[ENLM_WHY])
{
    uint64_t limit = UINT64_C(1) << address_bits;

    out->high_window_len = wish ? wish : HIGH_WINDOW_LEN;
    out->high_window = round_up(ENLM_4G + out->high_len, GIB);
    if (out->high_window_len % WINDOW_ALIGN == 0 &&
        enlm_within(out->high_window, out->high_window_len, limit))
        return 0;
    snprintf(
        why, ENLM_WHY,
        "guest memory would overlap the MMIO window above it: this CPU has %u address "
        "bits, and the window of %" PRIu64 " MiB must end below them",
        address_bits, out->high_window_len / MIB);
    return -ENL_E_INVAL;
}

int
enlm_layout_plan(const struct enlm_machine_config *config, uint32_t address_bits,
                 struct enlm_layout *out, char why[ENLM_WHY])
{
    uint64_t limit;
    int err;

    memset(out, 0, sizeof(*out));
    if (address_bits < 36 || address_bits > 52)
        address_bits = address_bits < 36 ? 36 : 52;
    limit = UINT64_C(1) << address_bits;
    if (config->memory < ENLM_MEMORY_MIN || config->memory % (2 * MIB)) {
        snprintf(why, ENLM_WHY,
                 "%" PRIu64
                 " bytes of memory: take a multiple of 2 MiB, at least %" PRIu64 " MiB",
                 config->memory, ENLM_MEMORY_MIN / MIB);
        return -ENL_E_INVAL;
    }
    if (config->memory >= limit) {
        snprintf(why, ENLM_WHY,
                 "%" PRIu64 " MiB of memory are more than %u address bits reach",
                 config->memory / MIB, address_bits);
        return -ENL_E_INVAL;
    }
    err = plan_low(config->mmio_low, out, why);
    if (err)
        return err;
    out->low_len = config->memory < out->low_window ? config->memory : out->low_window;
    out->high_len = config->memory - out->low_len;
    return plan_high(config->mmio_high, address_bits, out, why);
}

int
enlm_memory_init(struct enlm_memory *memory, const struct enlm_layout *layout)
{
    void *base;

    memory->layout = *layout;
    memory->base = NULL;
    memory->len = layout->low_len + layout->high_len;
    memory->fd = memfd_create("enlight-ram", MFD_CLOEXEC);
    if (memory->fd < 0)
        return -ENL_E_IO;
    if (ftruncate(memory->fd, (off_t)memory->len) < 0)
        return -ENL_E_NOMEM;
    base = mmap(NULL, memory->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                memory->fd, 0);
    if (base == MAP_FAILED)
        return -ENL_E_NOMEM;
    memory->base = base;
    /* A dump of the VMM shall not contain the guest. */
    madvise(base, memory->len, MADV_DONTDUMP);
    return 0;
}

static int
set_slot(int vm_fd, uint32_t slot, uint64_t gpa, uint8_t *host, uint64_t len)
{
    struct kvm_userspace_memory_region region;

    memset(&region, 0, sizeof(region));
    region.slot = slot;
    region.guest_phys_addr = gpa;
    region.memory_size = len;
    region.userspace_addr = (uint64_t)(uintptr_t)host;
    return ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -ENL_E_IO : 0;
}

int
enlm_memory_map(const struct enlm_memory *memory, int vm_fd)
{
    const struct enlm_layout *l = &memory->layout;
    int err = set_slot(vm_fd, 0, 0, memory->base, l->low_len);

    if (!err && l->high_len)
        err = set_slot(vm_fd, 1, ENLM_4G, memory->base + l->low_len, l->high_len);
    return err;
}

void
enlm_memory_fini(struct enlm_memory *memory)
{
    if (memory->base)
        munmap(memory->base, memory->len);
    if (memory->fd >= 0)
        close(memory->fd);
    memory->base = NULL;
    memory->fd = -1;
}

int
enlm_memory_clear(struct enlm_memory *memory)
{
    if (fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  (off_t)memory->len) < 0)
        return -ENL_E_IO;
    return 0;
}

void *
enlm_memory_at(const struct enlm_memory *memory, uint64_t gpa, uint64_t len)
{
    const struct enlm_layout *l = &memory->layout;

    if (enlm_within(gpa, len, l->low_len))
        return memory->base + gpa;
    if (gpa >= ENLM_4G && enlm_within(gpa - ENLM_4G, len, l->high_len))
        return memory->base + l->low_len + (gpa - ENLM_4G);
    return NULL;
}
