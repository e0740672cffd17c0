/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/ring.h - a VMBus ring: its header page and the packets in its data area
 *
 * Data only. A channel has two rings in one GPADL, guest to host first. Each is a header
 * page and a data area of whole pages. Each ring has one producer and one consumer; both
 * sides can write all of it.
 *
 *   write_index == read_index   empty
 *   A packet of N bytes, trailer included, goes in only while more than N bytes are free,
 *   so a full ring never looks empty.
 */
#ifndef ENLIGHT_ABI_RING_H
#define ENLIGHT_ABI_RING_H

#include "enlight/abi/base.h"

/*
 * The header page. The guest zeroes it between GPADL_CREATED and OPEN.
 *
 *   producer  writes write_index after the packets that it covers, and pending_send_size
 *             when it waits: the bytes, trailer included, that must be exceeded by the free
 *             space. It signals the consumer when the ring was empty and interrupt_mask is 0.
 *   consumer  writes read_index after it is done with the packets before it, and
 *             interrupt_mask. It signals the producer when its reading made the free space
 *             exceed a pending_send_size that was not exceeded before.
 */
struct enl_ring_header {
    uint32_t write_index;       /* producer: bytes into the data area */
    uint32_t read_index;        /* consumer: bytes into the data area */
    uint32_t interrupt_mask;    /* consumer: not 0 asks for no signals */
    uint32_t pending_send_size; /* producer: 0 does not wait */
    uint32_t reserved[12];
    uint32_t feature_bits; /* producer; ENL_RING_FEATURE_ */
    uint8_t reserved2[4028];
};
ENL_ABI_SIZE(struct enl_ring_header, 4096);
ENL_ABI_AT(struct enl_ring_header, read_index, 4);
ENL_ABI_AT(struct enl_ring_header, interrupt_mask, 8);
ENL_ABI_AT(struct enl_ring_header, pending_send_size, 12);
ENL_ABI_AT(struct enl_ring_header, feature_bits, 64);

/* The producer of this ring uses pending_send_size, and honours it in the other ring. */
#define ENL_RING_FEATURE_PENDING_SEND_SIZE 0x1u

/* Packet types. */
#define ENL_PACKET_INVALID         0x0u
#define ENL_PACKET_SYNCH           0x1u
#define ENL_PACKET_ADD_PAGESET     0x2u
#define ENL_PACKET_REMOVE_PAGESET  0x3u
#define ENL_PACKET_ESTABLISH_GPADL 0x4u
#define ENL_PACKET_TEARDOWN_GPADL  0x5u
#define ENL_PACKET_INBAND          0x6u
#define ENL_PACKET_TRANSFER_PAGES  0x7u
#define ENL_PACKET_GPADL           0x8u
#define ENL_PACKET_GPA_DIRECT      0x9u
#define ENL_PACKET_CANCEL          0xAu
#define ENL_PACKET_COMPLETION      0xBu
#define ENL_PACKET_ADDITIONAL      0xCu
#define ENL_PACKET_ADDITIONAL_DATA 0xDu

/* flags of a packet: answer with a COMPLETION of the same transaction id. */
#define ENL_PACKET_FLAG_COMPLETION 0x1u

#define ENL_PACKET_ALIGN   8u
#define ENL_PACKET_TRAILER 8u

/*
 * The start of every packet, on an 8-byte boundary. Descriptor, payload, padding to 8
 * bytes; then, not counted in len8, a trailer.
 */
struct enl_packet {
    uint16_t type;    /* ENL_PACKET_ */
    uint16_t offset8; /* the descriptor, in units of 8 bytes */
    uint16_t len8;    /* descriptor, payload and padding, in units of 8 bytes */
    uint16_t flags;   /* ENL_PACKET_FLAG_ */
    uint64_t transaction_id;
};
ENL_ABI_SIZE(struct enl_packet, 16);
ENL_ABI_AT(struct enl_packet, transaction_id, 8);

#define ENL_PACKET_LEN_MAX (0xFFFFu * 8u)

/* The producer writes where the packet starts; nobody needs it. */
struct enl_packet_trailer {
    uint32_t reserved;
    uint32_t start_index;
};
ENL_ABI_SIZE(struct enl_packet_trailer, 8);

/*
 * A range of guest memory: byte_count bytes, the first at byte_offset of the first page.
 * As many page numbers follow as the two together need, and behind them the next range.
 * GPADL_HEADER (vmbus.h) has the same form.
 */
struct enl_gpa_range {
    uint32_t byte_count;
    uint32_t byte_offset;
};
ENL_ABI_SIZE(struct enl_gpa_range, 8);

/* ENL_PACKET_GPA_DIRECT: range_count times struct enl_gpa_range with page numbers. */
struct enl_packet_gpa_direct {
    struct enl_packet head;
    uint32_t reserved;
    uint32_t range_count;
};
ENL_ABI_SIZE(struct enl_packet_gpa_direct, 24);
ENL_ABI_AT(struct enl_packet_gpa_direct, range_count, 20);

/* ENL_PACKET_TRANSFER_PAGES: range_count times struct enl_transfer_range. */
struct enl_packet_transfer_pages {
    struct enl_packet head;
    uint16_t pageset_id;
    uint8_t sender_owns_set;
    uint8_t reserved;
    uint32_t range_count;
};
ENL_ABI_SIZE(struct enl_packet_transfer_pages, 24);
ENL_ABI_AT(struct enl_packet_transfer_pages, pageset_id, 16);
ENL_ABI_AT(struct enl_packet_transfer_pages, range_count, 20);

/* Bytes of the buffer that was named when the two sides agreed on the page set. */
struct enl_transfer_range {
    uint32_t byte_count;
    uint32_t byte_offset;
};
ENL_ABI_SIZE(struct enl_transfer_range, 8);

#endif
