/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/ring.h - one direction of a VMBus ring, seen by its producer or its consumer
 *
 * A ring is a header page and a data area in memory that both sides write. A packet
 * starts 8-byte aligned: descriptor (16 bytes or more), payload, padding, and an 8-byte
 * trailer. The ring is never completely full: a packet of N bytes with its trailer needs
 * strictly more than N bytes free.
 *
 * The peer is hostile. An index of the peer is read once, checked against the size and
 * against moving backwards; the own index is kept in private memory: the shared copy is
 * written, never read back. Nothing in this room hands out a pointer into the ring.
 *
 * A producer collects packets with enl_ring_put() and shows them with
 * enl_ring_publish(): one release store, one full fence, and the answer whether the
 * consumer must be signalled. A consumer takes packets with enl_ring_get(), gives the
 * space back with enl_ring_release(): one store, one full fence, and the answer whether
 * a producer that waits for space must be signalled.
 *
 * A consumer that goes to sleep: get until 0, release, then unmask; it sleeps only if
 * unmask says false. A producer that goes to sleep: publish, then wait_space; it sleeps
 * only if wait_space says false. No wake-up is lost that way.
 *
 * Thread: one thread at a time for each view. The storage is the caller's.
 */
#ifndef ENLIGHT_COMMON_RING_H
#define ENLIGHT_COMMON_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/abi/ring.h"
#include "enlight/error.h"

/*
 * Where the data area is; all of it 8-byte aligned. With pages: pages[i] is the address of
 * its i-th 4096 bytes (the host half, whose guest pages are scattered). Without: base is
 * contiguous, and doubled says that the area is mapped a second time right behind itself,
 * so that no copy has to be split at the end.
 */
struct enl_ring_view {
    struct enl_ring_header *header;
    uint8_t *base;
    uint8_t *const *pages;
    uint32_t size; /* bytes of the data area: a multiple of 4096, up to 2 GiB */
    bool doubled;
};

struct enl_ring_producer {
    struct enl_ring_view view;
    uint32_t write;     /* ours: what is put, published or not */
    uint32_t published; /* ours: what the peer may see */
    uint32_t read;      /* the last index of the peer that was checked */
    uint32_t pending;   /* ours: the pending send size that the peer may see */
};

struct enl_ring_consumer {
    struct enl_ring_view view;
    uint32_t read;     /* ours: what is taken, released or not */
    uint32_t released; /* ours: what the peer may see */
    uint32_t write;    /* the last index of the peer that was checked */
};

/* A piece of a packet to be gathered by enl_ring_put(). */
struct enl_ring_piece {
    const void *data;
    uint32_t len;
};

/* One packet, as copied out of the ring: the descriptor's fields, checked. */
struct enl_ring_packet {
    uint16_t type;
    uint16_t flags;
    uint64_t transaction_id;
    uint32_t desc_len;    /* bytes of the descriptor, the 16 fixed ones included */
    uint32_t payload_len; /* bytes behind the descriptor, padding included */
    uint32_t at;          /* for enl_ring_copy(): where the descriptor starts */
};

/* Make a new ring's header: empty, unmasked, nobody waits, pending send size understood. */
void enl_ring_header_init(struct enl_ring_header *header);

/*
 * Start a view with both indices at zero (the side that creates the ring has written
 * them), or, with resume, at what the header says (the host after OPEN, a restore). The
 * producer's also says in the header that it uses the pending send size, and waits for
 * nothing. Returns 0, or
 *   -ENL_E_INVAL the size is none that a ring can have;
 *   -ENL_E_PROTO an index in the header is beyond the size or unaligned.
 */
ENL_MUST_CHECK int enl_ring_producer_init(struct enl_ring_producer *p,
                                          const struct enl_ring_view *view, bool resume);
ENL_MUST_CHECK int enl_ring_consumer_init(struct enl_ring_consumer *c,
                                          const struct enl_ring_view *view, bool resume);

/*
 * Put one packet: a descriptor header with these fields, then the pieces in order.
 * The first desc_extra_len bytes of the pieces belong to the descriptor (page ranges);
 * the rest is payload, padded with zeros to 8 bytes. Nothing is visible before publish.
 * A packet that went in ends the wait of enl_ring_wait_space(). Returns 0, or
 *   -ENL_E_AGAIN   no room: publish, enl_ring_wait_space(), wait for a signal;
 *   -ENL_E_MSGSIZE the packet can never fit this ring, or desc_extra_len is no multiple of
 *                  8 or more than there is;
 *   -ENL_E_PROTO   the peer's index is beyond the size, unaligned or moved backwards: give
 *                  up the channel.
 */
ENL_MUST_CHECK int enl_ring_put(struct enl_ring_producer *p, uint16_t type,
                                uint16_t flags, uint64_t transaction_id,
                                const struct enl_ring_piece *pieces, uint32_t piece_count,
                                uint32_t desc_extra_len);

/*
 * Show everything put so far. Returns true when the consumer must be signalled: the ring
 * was empty as far as it can know, and its interrupt mask is clear.
 */
bool enl_ring_publish(struct enl_ring_producer *p);

/* The consumer has not taken all that it was shown. A guess: it may do so meanwhile. */
bool enl_ring_unread(const struct enl_ring_producer *p);

/* What enl_ring_publish() would answer now, were anything to be shown; a guess, too. */
bool enl_ring_would_signal(const struct enl_ring_producer *p);

/*
 * Bytes that a packet takes in the ring, the trailer included; desc_len counts the 16 fixed
 * ones. It fits while enl_ring_free() is more than that. UINT32_MAX for one that is too big.
 */
uint32_t enl_ring_packet_size(uint32_t desc_len, uint32_t payload_len);

/*
 * Say that the producer waits until a packet of this size (enl_ring_packet_size()) fits,
 * then look again. Returns false: it may sleep, the consumer will signal; or true: the
 * space is there already, or the peer's index is bad (put says so), and the wait is taken
 * back. With 0: take a wait back; true. Publish first: what is not published never makes
 * room. A peer that does not wake (enl_ring_peer_wakes()) has to be polled.
 */
bool enl_ring_wait_space(struct enl_ring_producer *p, uint32_t packet_size);

/*
 * The peer of this ring promises to honour the pending send size of the other ring, the
 * one that we produce.
 */
bool enl_ring_peer_wakes(const struct enl_ring_consumer *c);

/* Bytes free to the producer right now; a bad index of the peer counts as 0. */
uint32_t enl_ring_free(struct enl_ring_producer *p);

/*
 * Take the next packet: check its descriptor, copy its fields, step over it. Its bytes
 * stay until enl_ring_release(); read them with enl_ring_copy().
 * Returns 1; 0 when the ring is empty; or -ENL_E_PROTO: an index or a length is beyond
 * what is there, unaligned, or an index moved backwards: give up the channel.
 */
ENL_MUST_CHECK int enl_ring_get(struct enl_ring_consumer *c,
                                struct enl_ring_packet *packet);

/*
 * Copy len bytes of the packet from offset (counted from the descriptor's start): valid
 * until the release that follows. Each byte is read once; a second copy of the same bytes
 * may differ. Returns 0, or -ENL_E_RANGE when offset + len is beyond the packet.
 */
ENL_MUST_CHECK int enl_ring_copy(const struct enl_ring_consumer *c,
                                 const struct enl_ring_packet *packet, uint32_t offset,
                                 void *to, uint32_t len);

/*
 * Give the space of all packets taken so far back to the producer. Returns true when the
 * producer must be signalled: it waits for space, it had too little, and now has enough.
 */
bool enl_ring_release(struct enl_ring_consumer *c);

/* Ask for no signals (masked true) while polling, or for signals again. */
void enl_ring_mask(struct enl_ring_consumer *c, bool masked);

/*
 * Ask for signals again and look once more: true when packets came in the meantime, or
 * taken ones were not released yet, and the caller must go on; false when it may sleep.
 */
bool enl_ring_unmask(struct enl_ring_consumer *c);

/*
 * Packets wait to be read; a bad index of the peer also says true: get reports it. After
 * a release, and while unmasked, false means that it may sleep.
 */
bool enl_ring_readable(struct enl_ring_consumer *c);

#endif
