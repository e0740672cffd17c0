/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/port.h - post a message to, and signal an event of, a connection
 *
 * [TLFS inter-partition communication] Who posts often keeps one buffer; a processor that
 * posts while another does needs one of its own.
 */
#ifndef ENLIGHT_GUEST_PORT_H
#define ENLIGHT_GUEST_PORT_H

#include "enlight/guest/hypercall.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The hypercall's input, wherever this struct is. */
struct enlg_post_buffer {
    uint64_t opaque[64];
};

/* Tries of one post or signal before it fails; with pause() between them. */
#define ENLG_POST_TRIES 100u

/* 240 bytes, zeroed, 8-byte aligned: build the message here. Valid until the post. */
void *enlg_port_payload(struct enlg_post_buffer *buffer);

/* ENLG_POST_CONNECTED: the connection was there before; if it is not now, it comes back. */
#define ENLG_POST_CONNECTED 0x1u

/*
 * Post the len (0 to 240) bytes of the payload. A hypervisor that has no buffers, no
 * memory, or (with ENLG_POST_CONNECTED) no such connection is asked again.
 * Returns 0, or as hypercall.h; -ENL_E_AGAIN and, with the flag, -ENL_E_NOENT after
 * ENLG_POST_TRIES. Thread: any. Blocks in pause().
 */
ENL_MUST_CHECK int enlg_port_post(const struct enlg_partition *partition,
                                  struct enlg_post_buffer *buffer, uint32_t connection_id,
                                  uint32_t len, uint32_t flags);

/*
 * Signal. A hypervisor that has no buffers or no memory is asked again, as for a post: a
 * signal that is lost may be the last one. Returns 0, or as hypercall.h; -ENL_E_AGAIN after
 * ENLG_POST_TRIES. Thread: any. Blocks in pause().
 */
ENL_MUST_CHECK int enlg_port_signal(const struct enlg_partition *partition,
                                    uint32_t connection_id, uint16_t flag);

#ifdef __cplusplus
}
#endif
#endif
