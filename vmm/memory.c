/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/memory.c - the guest's RAM: its place, its file, its memory slots
 *
 * Run by the machine before the guest, and at a reset. Trusts the configuration only as far
 * as it was checked here: RAM never overlaps a window, and everything fits the address
 * bits of the processor. RAM is one memfd, so that a backend in another process can map
 * it, unless the host gives large pages to private memory only and nobody asks for a file.
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

/* The word in brackets of a choice like "always madvise [never]" begins with this. */
static bool
host_chose(const char *path, const char *word)
{
    char text[128];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    const char *choice;

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    choice = strchr(text, '[');
    return choice && !strncmp(choice + 1, word, strlen(word));
}

/*
 * Each page of the guest costs a fault of the second stage, so large pages matter more
 * than a file that nobody maps. Measured under emulation: 2 of 7 s of a boot.
 */
static bool
wants_file(bool shared)
{
    const char *dir = "/sys/kernel/mm/transparent_hugepage/";
    char files[96], private[96];

    snprintf(files, sizeof(files), "%sshmem_enabled", dir);
    snprintf(private, sizeof(private), "%senabled", dir);
    if (shared || host_chose(private, "never"))
        return true;
    return !host_chose(files, "never") && !host_chose(files, "deny");
}

/* A piece of address space that starts where a large page can. */
static void *
reserve(uint64_t len)
{
    uint8_t *all = mmap(NULL, len + WINDOW_ALIGN, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t skip;

    if (all == MAP_FAILED)
        return NULL;
    skip = round_up((uint64_t)(uintptr_t)all, WINDOW_ALIGN) - (uint64_t)(uintptr_t)all;
    if (skip)
        munmap(all, skip);
    if (skip < WINDOW_ALIGN)
        munmap(all + skip + len, WINDOW_ALIGN - skip);
    return all + skip;
}

static int
make_file(struct enlm_memory *memory)
{
    memory->fd = memfd_create("enlight-ram", MFD_CLOEXEC);
    if (memory->fd < 0)
        return -ENL_E_IO;
    return ftruncate(memory->fd, (off_t)memory->len) < 0 ? -ENL_E_NOMEM : 0;
}

int
enlm_memory_init(struct enlm_memory *memory, const struct enlm_layout *layout,
                 bool shared)
{
    int flags = MAP_FIXED | MAP_NORESERVE, err = 0;
    void *base;

    memory->layout = *layout;
    memory->len = layout->low_len + layout->high_len;
    memory->fd = -1;
    memory->base = reserve(memory->len);
    if (!memory->base)
        return -ENL_E_NOMEM;
    if (wants_file(shared))
        err = make_file(memory);
    flags |= memory->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    base = err ? MAP_FAILED
               : mmap(memory->base, memory->len, PROT_READ | PROT_WRITE, flags,
                      memory->fd, 0);
    if (base == MAP_FAILED)
        return err ? err : -ENL_E_NOMEM;
    madvise(base, memory->len, MADV_HUGEPAGE);
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
    if (memory->fd < 0)
        return madvise(memory->base, memory->len, MADV_DONTNEED) < 0 ? -ENL_E_IO : 0;
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
