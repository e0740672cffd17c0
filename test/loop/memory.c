/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/memory.c - the guest's pages: two views, in another order; who writes to free ones
 *
 * The host sees memory by guest physical address, the guest sees the same pages shuffled,
 * so that an address is never a physical address by accident. Free pages hold a pattern,
 * and whoever breaks it is caught when the page is used again, or at the end.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/loop/machine.h"

/* Mapped once for the process: the seeds reuse it. */
static uint8_t *ram_view, *guest_view;
static int ram_fd;
static uint16_t page_order[LOOP_RAM_PAGES];

static void
order_make(bool scramble)
{
    struct loop_rand rand = {12345};

    for (uint32_t i = 0; i < LOOP_RAM_PAGES; i++)
        page_order[i] = (uint16_t)i;
    for (uint32_t i = LOOP_RAM_PAGES - 1; scramble && i > 0; i--) {
        uint32_t k = loop_rand_below(&rand, i + 1);
        uint16_t t = page_order[i];

        page_order[i] = page_order[k];
        page_order[k] = t;
    }
}

static void
memory_map(bool scramble)
{
    ram_fd = memfd_create("loop", 0);
    loop_check(ram_fd >= 0 && ftruncate(ram_fd, LOOP_RAM_LEN) == 0);
    ram_view = mmap(NULL, LOOP_RAM_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
    loop_check(ram_view != MAP_FAILED);
    order_make(scramble);
    guest_view = ram_view;
    if (scramble) {
        guest_view =
            mmap(NULL, LOOP_RAM_LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        loop_check(guest_view != MAP_FAILED);
        for (uint32_t i = 0; i < LOOP_RAM_PAGES; i++)
            loop_check(mmap(guest_view + (size_t)i * ENL_PAGE_SIZE, ENL_PAGE_SIZE,
                            PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram_fd,
                            (off_t)page_order[i] * ENL_PAGE_SIZE) != MAP_FAILED);
    }
    memset(ram_view, LOOP_POISON, LOOP_RAM_LEN);
}

static uint8_t *
page_va(struct loop *loop, uint32_t page)
{
    return loop->va + (size_t)page * ENL_PAGE_SIZE;
}

static void
page_check_free(struct loop *loop, uint32_t page)
{
    const uint8_t *p = page_va(loop, page);

    if (p[0] != LOOP_POISON || memcmp(p, p + 1, ENL_PAGE_SIZE - 1) != 0)
        loop_fail("somebody wrote to guest page %u (gpa %#x) after it was given back",
                  page, page_order[page] * ENL_PAGE_SIZE);
}

void *
loop_pages_get(struct loop *loop, uint32_t count)
{
    uint32_t run = 0;

    for (uint32_t i = 0; i < LOOP_RAM_PAGES; i++) {
        run = loop->page_used[i] ? 0 : run + 1;
        if (run < count)
            continue;
        for (uint32_t page = i + 1 - count; page <= i; page++) {
            page_check_free(loop, page);
            loop->page_used[page] = 1;
        }
        return memset(page_va(loop, i + 1 - count), 0, (size_t)count * ENL_PAGE_SIZE);
    }
    loop_fail("no guest memory is left");
}

void
loop_pages_put(struct loop *loop, void *pages, uint32_t count)
{
    uint32_t first = (uint32_t)(((uint8_t *)pages - loop->va) / ENL_PAGE_SIZE);

    memset(pages, LOOP_POISON, (size_t)count * ENL_PAGE_SIZE);
    for (uint32_t page = first; page < first + count; page++) {
        loop_check(loop->page_used[page]);
        loop->page_used[page] = 0;
    }
}

void
loop_memory_check(struct loop *loop)
{
    for (uint32_t i = 0; i < LOOP_RAM_PAGES; i++) {
        if (!loop->page_used[i])
            page_check_free(loop, i);
    }
}

void
loop_memory_init(struct loop *loop)
{
    if (!ram_view)
        memory_map(!loop->config.threads);
    loop->ram = ram_view;
    loop->va = guest_view;
}

void
loop_memory_free_all(struct loop *loop)
{
    for (uint32_t i = 0; i < LOOP_RAM_PAGES; i++) {
        if (loop->page_used[i])
            loop_pages_put(loop, page_va(loop, i), 1);
    }
}

enl_gpa
loop_memory_gpa(void *ctx, const void *address)
{
    struct loop *loop = ctx;
    uint64_t at = (uint64_t)((const uint8_t *)address - loop->va);

    if (at >= LOOP_RAM_LEN)
        loop_fail("the guest half shares an address outside guest memory");
    return (enl_gpa){(uint64_t)page_order[at / ENL_PAGE_SIZE] * ENL_PAGE_SIZE +
                     at % ENL_PAGE_SIZE};
}

/* Page by page, the same physical pages twice in a row. */
void *
loop_memory_map_twice(void *ctx, void *data, size_t len)
{
    struct loop *loop = ctx;
    uint8_t *twice;

    if (!loop->config.map_twice)
        return NULL;
    twice = mmap(NULL, 2 * len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    loop_check(twice != MAP_FAILED);
    for (size_t at = 0; at < len; at += ENL_PAGE_SIZE) {
        for (int half = 0; half < 2; half++) {
            void *to = twice + (size_t)half * len + at;
            enl_gpa gpa = loop_memory_gpa(loop, (uint8_t *)data + at);

            loop_check(mmap(to, ENL_PAGE_SIZE, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_FIXED, ram_fd, (off_t)gpa.v) == to);
        }
    }
    for (uint32_t i = 0; i < LOOP_TWICE; i++) {
        if (!loop->twice[i].at) {
            loop->twice[i].at = twice;
            loop->twice[i].len = 2 * len;
            loop->twice[i].guest = loop->guest;
            return twice;
        }
    }
    loop_fail("the guest keeps too many rings mapped twice");
}

void
loop_memory_unmap_twice(void *ctx, void *twice, size_t len)
{
    struct loop *loop = ctx;
    uint32_t i = 0;

    while (i < LOOP_TWICE && loop->twice[i].at != twice)
        i++;
    loop_check(i < LOOP_TWICE && loop->twice[i].len == 2 * len);
    loop_check(munmap(twice, 2 * len) == 0);
    loop->twice[i].at = NULL;
}

void
loop_unmap_all(struct loop *loop, const void *guest)
{
    for (uint32_t i = 0; i < LOOP_TWICE; i++) {
        if (!loop->twice[i].at || loop->twice[i].guest != guest)
            continue;
        loop_check(munmap(loop->twice[i].at, loop->twice[i].len) == 0);
        loop->twice[i].at = NULL;
    }
}
