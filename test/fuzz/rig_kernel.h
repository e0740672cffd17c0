/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/fuzz/rig_kernel.h - a kernel over the guest half, whose host is the input
 *
 * The physical address of a byte is its address; there is one processor and one thread.
 * Memory that the kernel shares is of its own allocation, freed the moment the library says
 * that it may be: what is touched later is a finding. What the kernel posts waits in a
 * short queue for a host that answers as it should, or nearly, or something else.
 */
#ifndef TEST_FUZZ_RIG_KERNEL_H
#define TEST_FUZZ_RIG_KERNEL_H

#include "common/ring.h"
#include "enlight/abi/synic.h"
#include "enlight/guest/channel.h"
#include "enlight/guest/hypercall.h"
#include "enlight/guest/packet.h"
#include "enlight/guest/vmbus.h"
#include "rig.h"

#define KERNEL_CHANNELS 6u
#define KERNEL_RELIDS   9u /* relids below this one have ends on the host */
#define KERNEL_POSTS    32u
#define KERNEL_GPADLS   16u
#define KERNEL_RUNS     64u
#define KERNEL_REGS     64u
#define KERNEL_SEND_LEN 8192u
#define KERNEL_RECV_LEN 8192u

/* What the host has of an open channel. */
struct kernel_end {
    uint8_t *ring; /* NULL: none */
    struct enl_ring_consumer from_guest;
    struct enl_ring_producer to_guest;
};

struct kernel {
    struct rig_input in;
    struct enlg_platform platform;
    struct enlg_partition partition;
    struct enlg_synic synic;
    struct enlg_vmbus bus;
    struct enlg_vmbus_config config; /* change before kernel_start() */
    struct enlg_channel channels[KERNEL_CHANNELS];
    struct enl_message *slot;
    struct enl_event_flags *flags;
    uint8_t *pages[5];
    struct {
        uint32_t reg;
        uint64_t value;
    } regs[KERNEL_REGS];
    struct {
        uint8_t *base;
        size_t len;
    } runs[KERNEL_RUNS];
    /* the host */
    uint8_t posts[KERNEL_POSTS][ENL_VMBUS_MESSAGE_MAX];
    uint32_t post_first, post_count;
    uint32_t refuse; /* so many calls to one that is refused; 0: none is */
    struct {
        uint32_t handle;
        uint32_t len; /* of the first range */
        uint8_t *base;
    } gpadls[KERNEL_GPADLS];
    uint32_t gpadl_count;
    struct kernel_end ends[KERNEL_RELIDS];
};

void kernel_init(struct kernel *k, const uint8_t *data, size_t size);
/* The bus is made, not connected. */
void kernel_start(struct kernel *k);
/* Abandon the bus; all memory must have come back by then. */
void kernel_stop(struct kernel *k);

/* Page aligned, zeroed memory that may be shared; and its end. */
void *kernel_memory(struct kernel *k, size_t len);
void kernel_memory_free(struct kernel *k, void *base);
/* All of it is in one piece that is not freed. */
bool kernel_memory_is(const struct kernel *k, const void *at, size_t len);

/* ---- the host ---- */

/* Put a message in the slot, and have the kernel poll. */
void kernel_say(struct kernel *k, const void *message, uint32_t len);
void kernel_say_offer(struct kernel *k, uint32_t relid, uint8_t instance,
                      uint16_t subchannel, struct enl_guid type);
/* Answer the oldest post as it should be. False: there was none. */
bool kernel_answer(struct kernel *k);
/* The same, with a few bytes changed. */
bool kernel_answer_nearly(struct kernel *k);
/* Connect, and be done with the posts of that. */
void kernel_connect(struct kernel *k, uint32_t version);
/* Answer until nothing is left. */
void kernel_settle(struct kernel *k);

/* The host's end of a channel, or NULL. */
struct kernel_end *kernel_end_of(struct kernel *k, uint32_t relid);
/* A packet to the guest; what does not fit is forgotten. */
void kernel_put(struct kernel_end *end, uint16_t type, uint64_t id, const void *data,
                uint32_t len);
/* Any type, descriptor, id and body. */
void kernel_put_any(struct kernel *k, struct kernel_end *end);

#endif
