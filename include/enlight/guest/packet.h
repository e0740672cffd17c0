/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/packet.h - send and receive on an open channel
 *
 * Packets are put one after the other and shown together by enlg_packet_publish(), with
 * one fence and at most one signal. Received packets are copied out of the ring before
 * anything in them is looked at.
 *
 * Sleep only after enlg_packet_sleep() said so:
 *     do { while (enlg_packet_get(...) == 1) ...; } while (enlg_packet_sleep(channel));
 *
 * Thread: channel, for every function.
 */
#ifndef ENLIGHT_GUEST_PACKET_H
#define ENLIGHT_GUEST_PACKET_H

#include "enlight/abi/ring.h"
#include "enlight/guest/channel.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What every packet to the host has. */
struct enlg_send {
    const void *payload; /* borrowed for the time of the call */
    uint32_t payload_len;
    bool wants_completion;
    uint64_t transaction_id;
};

/*
 * The three ways to send. Each returns 0, or
 *   -ENL_E_AGAIN     no room: publish, enlg_packet_wait(), go on after a signal;
 *   -ENL_E_MSGSIZE   can never fit this ring;
 *   -ENL_E_CONNRESET the channel is not open, or was rescinded;
 *   -ENL_E_PROTO     the host broke the ring: close the channel.
 */

/* Data in the packet. */
ENL_MUST_CHECK int enlg_packet_put(struct enlg_channel *channel,
                                   const struct enlg_send *send);

/* A piece of one page, in the form of the wire. */
struct enlg_page_buffer {
    uint32_t len;    /* bytes; offset + len is at most 4096 */
    uint32_t offset; /* within the page */
    uint64_t pfn;    /* guest physical address / 4096 */
};
/* A list of page buffers, each a range of its own. Borrowed for the call. */
ENL_MUST_CHECK int enlg_packet_put_pages(struct enlg_channel *channel,
                                         const struct enlg_send *send,
                                         const struct enlg_page_buffer *pages,
                                         uint32_t page_count);

/* One buffer of many pages. */
struct enlg_multipage {
    uint32_t len;         /* bytes */
    uint32_t offset;      /* within the first page */
    const uint64_t *pfns; /* borrowed for the call */
    uint32_t page_count;  /* of pfns: as many as offset + len need */
};
ENL_MUST_CHECK int enlg_packet_put_multipage(struct enlg_channel *channel,
                                             const struct enlg_send *send,
                                             const struct enlg_multipage *buffer);
/*
 * The page numbers of [base, base + len) of the caller's memory, at most max of them, into
 * pfns, and the rest of out. Returns 0, or -ENL_E_RANGE. Thread: any.
 */
ENL_MUST_CHECK int enlg_packet_pages_of(const struct enlg_partition *partition,
                                        const void *base, uint32_t len, uint64_t *pfns,
                                        uint32_t max, struct enlg_multipage *out);

/* Answer a packet of the host that wants it. payload may be NULL with payload_len 0. */
ENL_MUST_CHECK int enlg_packet_complete(struct enlg_channel *channel,
                                        uint64_t transaction_id, const void *payload,
                                        uint32_t payload_len);

/* Show what was put, and signal the host if it sleeps. Returns 0 or as hypercall.h. */
ENL_MUST_CHECK int enlg_packet_publish(struct enlg_channel *channel);

/*
 * After -ENL_E_AGAIN: have the host signal when there is room for a payload of this length
 * and desc_len more. True: there is room now, no signal will come.
 */
bool enlg_packet_wait(struct enlg_channel *channel, uint32_t payload_len,
                      uint32_t desc_len);

/* One packet from the host. */
struct enlg_packet {
    uint16_t type; /* ENL_PACKET_* */
    bool wants_completion;
    uint64_t transaction_id;
    const uint8_t *desc; /* in the caller's buffer: what is behind the first 16 bytes */
    uint32_t desc_len;
    const uint8_t *payload; /* in the caller's buffer, 8-byte aligned if that is */
    uint32_t payload_len;   /* padding to 8 included: the wire does not say more */
};

/*
 * Take a packet into buffer (8-byte aligned, buffer_len bytes). Returns 1; 0 when there is
 * none; -ENL_E_MSGSIZE: it is longer than the buffer, was taken and is lost;
 * -ENL_E_CONNRESET; -ENL_E_PROTO: the host broke the ring: close the channel.
 */
ENL_MUST_CHECK int enlg_packet_get(struct enlg_channel *channel, void *buffer,
                                   uint32_t buffer_len, struct enlg_packet *packet);

/*
 * Give the room of the packets taken back to the host, and signal it if it waits for
 * that. Returns 0 or as hypercall.h. sleep does it as well.
 */
ENL_MUST_CHECK int enlg_packet_release(struct enlg_channel *channel);
/* Ask for no signals: a poller. */
void enlg_packet_mask(struct enlg_channel *channel);
/* Release, ask for signals, look again. True: there are packets, do not sleep. */
bool enlg_packet_sleep(struct enlg_channel *channel);

#ifdef __cplusplus
}
#endif
#endif
