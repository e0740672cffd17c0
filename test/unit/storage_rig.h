/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/storage_rig.h - a SCSI controller between a fake bus and fake disks
 *
 *   struct rig *rig = rig_new(NULL);   // one controller, a disk of 1 MiB at LUN 0
 *   rig_start(rig);                    // its channel open and negotiated
 *   answer = rig_exec(rig, &packet, spans, count);
 *   rig_free(rig);                     // fails when memory leaked
 */
#ifndef TEST_UNIT_STORAGE_RIG_H
#define TEST_UNIT_STORAGE_RIG_H

#include "enlight/abi/ring.h"
#include "enlight/abi/scsi.h"
#include "enlight/abi/storage.h"
#include "enlight/host/storage.h"
#include "fake_channel.h"
#include "fake_disk.h"
#include "fake_partition.h"

#define RIG_DISK_LEN  (1u << 20)
#define RIG_BUFFER    0x200000ull /* guest memory for data, up to the end of region 0 */
#define RIG_DISKS     8u
#define RIG_MAX_SPANS 1025u

struct rig {
    struct fake fake;
    struct enlh_vmbus bus;
    struct fake_disk disks[RIG_DISKS];
    struct enlh_storage *storage;
    struct enlh_channel *channel; /* the primary one */
    uint64_t transaction_id;      /* of the packet put last */
    uint32_t destroyed;           /* how often done() was called */
    uint64_t alloc_bytes;         /* what the partition itself has */
    uint32_t enumerates, removes; /* what the controller said unasked, as it was taken */
};

/* changes may alter the configuration before the controller is made, or be NULL. */
struct rig *rig_new(void (*changes)(struct enlh_storage_config *config));
void rig_start(struct rig *rig);
/* Destroy the controller, if it is there, and everything under it. */
void rig_free(struct rig *rig);
/* Take the controller away and let the bus finish. */
void rig_destroy(struct rig *rig);

/* Attach disks[index] at lun. Returns what enlh_storage_attach() returns. */
int rig_attach(struct rig *rig, uint32_t index, uint8_t lun);
struct enlh_storage_counters rig_counters(const struct rig *rig);

struct enlh_span rig_span(const struct rig *rig, uint64_t gpa, uint64_t len);
uint8_t *rig_memory(struct rig *rig, uint64_t gpa);

/* A packet with this operation and nothing else. */
struct enl_storage_packet rig_packet(uint32_t operation);
/* An SRB for LUN 0; cdb has 16 bytes. */
struct enl_storage_packet rig_srb(const uint8_t *cdb, uint8_t data_in, uint32_t data_len);
#define RIG_SRB(data_in, data_len, ...)                                                  \
    rig_srb((const uint8_t[16]){__VA_ARGS__}, data_in, data_len)
/* READ or WRITE (10) of count blocks of 512 bytes. */
struct enl_storage_packet rig_read(uint32_t lba, uint16_t count);
struct enl_storage_packet rig_write(uint32_t lba, uint16_t count);

/* Put a packet of len bytes into the channel, with spans or without. */
void rig_put(struct rig *rig, const struct enl_storage_packet *packet, uint32_t len,
             const struct enlh_span *spans, uint32_t span_count);
/* Put it, with one span of its data_transfer_len at RIG_BUFFER. */
void rig_put_srb(struct rig *rig, const struct enl_storage_packet *packet);

/*
 * The next answer. Fails the test when there is none, or when it is no completion with
 * COMPLETE_IO of this transaction id and length.
 */
struct enl_storage_packet rig_answer(struct rig *rig, uint64_t transaction_id,
                                     uint32_t len);
/* Take what there is, and forget the answers. */
void rig_forget(struct rig *rig);
/* No answer is there. */
void rig_silent(const struct rig *rig);

/* Put, run once, and take the one answer. */
struct enl_storage_packet rig_exec(struct rig *rig,
                                   const struct enl_storage_packet *packet,
                                   const struct enlh_span *spans, uint32_t span_count);
struct enl_storage_packet rig_exec_srb(struct rig *rig,
                                       const struct enl_storage_packet *packet);
/* The status of a packet with this operation. */
uint32_t rig_control(struct rig *rig, uint32_t operation);

/* An answer that says this. */
void rig_assert_good(const struct enl_storage_packet *answer, uint32_t moved);
void rig_assert_sense(const struct enl_storage_packet *answer, uint8_t key, uint16_t asc);
void rig_assert_malformed(const struct enl_storage_packet *answer);

/* A buffer in pieces: count spans, each len bytes, stride bytes apart. */
void rig_make_spans(const struct rig *rig, struct enlh_span *spans, uint32_t count,
                    uint32_t len, uint32_t stride);

/* Setup and teardown of a test whose state is a started rig. */
int rig_setup(void **state);
int rig_teardown(void **state);
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

#endif
