/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/ring_rig.c - a ring with both of its ends, in each kind of memory
 *
 * The doubled kind maps one memory file twice in a row; the scattered kind takes pages out
 * of a larger map, none beside its neighbour.
 */
#define _GNU_SOURCE
#include "ring_rig.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint8_t *
map_doubled(uint32_t size)
{
    int fd = memfd_create("ring", MFD_CLOEXEC);
    uint8_t *area =
        mmap(NULL, 2 * (size_t)size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(fd >= 0 && area != MAP_FAILED);
    assert_int_equal(ftruncate(fd, size), 0);
    for (int i = 0; i < 2; i++) {
        void *half = mmap(area + (size_t)i * size, size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_FIXED, fd, 0);

        assert_true(half != MAP_FAILED);
    }
    close(fd);
    return area;
}

void
ring_rig_start(struct ring_rig *rig, enum ring_rig_kind kind, uint32_t pages)
{
    uint32_t size = pages * ENL_PAGE_SIZE;

    memset(rig, 0, sizeof(*rig));
    assert_true(pages <= RIG_PAGES_MAX);
    rig->header = mmap(NULL, ENL_PAGE_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(rig->header != MAP_FAILED);
    rig->map_len = 2 * (size_t)size;
    rig->map = kind == RIG_DOUBLED ? map_doubled(size)
                                   : mmap(NULL, rig->map_len, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(rig->map != MAP_FAILED);
    memset(rig->map, 0xEE, kind == RIG_PAGES ? rig->map_len : size);
    for (uint32_t i = 0; i < pages; i++)
        rig->pages[i] = rig->map + (size_t)(2 * (pages - 1 - i)) * ENL_PAGE_SIZE;
    rig->view = (struct enl_ring_view){
        .header = rig->header,
        .base = kind == RIG_PAGES ? NULL : rig->map,
        .pages = kind == RIG_PAGES ? rig->pages : NULL,
        .size = size,
        .doubled = kind == RIG_DOUBLED,
    };
    enl_ring_header_init(rig->header);
    assert_int_equal(enl_ring_producer_init(&rig->p, &rig->view, false), 0);
    assert_int_equal(enl_ring_consumer_init(&rig->c, &rig->view, false), 0);
}

void
ring_rig_stop(struct ring_rig *rig)
{
    munmap(rig->map, rig->map_len);
    munmap(rig->header, ENL_PAGE_SIZE);
}

void
ring_rig_at(struct ring_rig *rig, uint32_t index)
{
    rig->header->write_index = index;
    rig->header->read_index = index;
    assert_int_equal(enl_ring_producer_init(&rig->p, &rig->view, true), 0);
    assert_int_equal(enl_ring_consumer_init(&rig->c, &rig->view, true), 0);
}

static void
fill(uint8_t *bytes, uint32_t len, uint32_t seed)
{
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 8));
}

int
ring_rig_put(struct ring_rig *rig, uint32_t payload_len, uint32_t seed)
{
    static uint8_t bytes[RIG_PAGES_MAX * ENL_PAGE_SIZE];
    uint32_t cut = payload_len / 3;
    struct enl_ring_piece pieces[] = {
        {bytes, cut}, {NULL, 0}, {bytes + cut, payload_len - cut}};

    fill(bytes, payload_len, seed);
    return enl_ring_put(&rig->p, ENL_PACKET_INBAND, (uint16_t)(seed & 1), ~(uint64_t)seed,
                        pieces, 3, 0);
}

void
ring_rig_expect(struct ring_rig *rig, uint32_t payload_len, uint32_t seed)
{
    static uint8_t want[RIG_PAGES_MAX * ENL_PAGE_SIZE], got[sizeof(want)];
    struct enl_ring_packet packet;

    assert_int_equal(enl_ring_get(&rig->c, &packet), 1);
    assert_int_equal(packet.type, ENL_PACKET_INBAND);
    assert_int_equal(packet.flags, seed & 1);
    assert_true(packet.transaction_id == ~(uint64_t)seed);
    assert_int_equal(packet.desc_len, 16);
    assert_int_equal(packet.payload_len, (payload_len + 7) & ~7u);
    memset(want, 0, packet.payload_len);
    fill(want, payload_len, seed);
    assert_int_equal(enl_ring_copy(&rig->c, &packet, 16, got, packet.payload_len), 0);
    assert_memory_equal(got, want, packet.payload_len);
}

static uint8_t *
byte_of(const struct ring_rig *rig, uint32_t at)
{
    if (rig->view.pages != NULL)
        return rig->view.pages[at / ENL_PAGE_SIZE] + at % ENL_PAGE_SIZE;
    return rig->view.base + at;
}

void
ring_rig_forge(struct ring_rig *rig, uint16_t offset8, uint16_t len8, uint32_t end)
{
    uint16_t head[] = {ENL_PACKET_INBAND, offset8, len8, 0};

    memcpy(byte_of(rig, rig->c.read), head, sizeof(head));
    rig->header->write_index = (rig->c.read + end) % rig->view.size;
}

uint64_t
ring_rig_word(const struct ring_rig *rig, uint32_t at)
{
    uint64_t word;

    memcpy(&word, byte_of(rig, at), sizeof(word));
    return word;
}
