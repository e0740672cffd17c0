/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/guest.h - a small kernel over the guest half: all VPs, a bus, its drivers
 *
 * VP 0 is the bus's thread. Each disk has a VP of its own as channel thread, which writes
 * and reads at random and compares with a model of the disk that outlives the kernel. All
 * memory that the host may see comes from the machine's pages, and goes back as soon as
 * the library says that it may.
 */
#ifndef TEST_LOOP_GUEST_H
#define TEST_LOOP_GUEST_H

#include "enlight/guest/clock.h"
#include "enlight/guest/hypercall.h"
#include "enlight/guest/ic.h"
#include "enlight/guest/kvp.h"
#include "enlight/guest/packet.h"
#include "enlight/guest/stimer.h"
#include "enlight/guest/storage.h"
#include "enlight/guest/vmbus.h"
#include "test/loop/partition.h"

#define GUEST_CHANNELS  160u
#define GUEST_CLIENTS   3u
#define GUEST_ICS       4u
#define GUEST_ITEMS     4u  /* of its one pool of key-value pairs */
#define GUEST_IOS       64u /* more than rings of one page hold */
#define GUEST_IO_PAGES  5u
#define GUEST_IO_BLOCKS ((GUEST_IO_PAGES - 1) * ENL_PAGE_SIZE / 512)
#define GUEST_RUNS      512u

#define VECTOR_VMBUS LOOP_VECTOR_VMBUS
#define VECTOR_TIMER 0xed
#define VECTOR_IPI   0xfd

/* What a disk should hold. */
struct model {
    uint32_t blocks;
    uint32_t *version; /* 0: zeros */
    uint8_t *locked;   /* a request is in flight */
    uint8_t *unknown;  /* a write was canceled: any version may be there */
    uint32_t next_version;
    struct loop_rand rand;
};

void model_init(struct model *model, uint32_t blocks, uint64_t seed);
void model_fini(struct model *model);
/* All blocks of the disk are what they should be. */
void model_check(struct model *model, const uint8_t *disk);

struct guest;
struct client;
struct nic;

struct client_io {
    struct enlg_storage_io io;
    struct client *client;
    uint8_t *pages; /* GUEST_IO_PAGES */
    uint8_t *data;
    uint32_t lba, count;
    uint32_t version;
    bool busy;
};

enum client_phase {
    CLIENT_FREE,
    CLIENT_RUNNING,
    CLIENT_PARK,    /* the bus wants its thread to let go */
    CLIENT_PARKED,  /* it has */
    CLIENT_CLOSING, /* stop() was called */
};

struct client {
    struct guest *guest;
    struct model *model;
    struct enlg_channel *channel;
    struct enlg_storage storage;
    struct enlg_request_slot slots[GUEST_IOS];
    uint64_t pfns[GUEST_IO_PAGES + 1];
    struct client_io ios[GUEST_IOS];
    uint8_t *ring;
    uint32_t ring_pages; /* of both */
    atomic_uint vp;
    atomic_int phase;
    atomic_bool signal; /* poll */
    atomic_bool stopped;
    atomic_bool lost;
    /* the channel's thread */
    bool sized;    /* the capacity has been asked for */
    bool blocked;  /* no room: wait for a signal */
    uint32_t left; /* requests still to be made */
    uint32_t flying;
    atomic_bool finished; /* nothing is left, nothing is under way */
};

struct guest_config {
    uint32_t max_version, min_version;
    uint32_t requests;   /* of each disk */
    uint32_t ios;        /* in flight, up to GUEST_IOS */
    uint32_t ring_pages; /* of each direction, header included */
    uint32_t io_blocks;  /* of a request, at most */
    uint32_t lazy;       /* percent of signals that a device sleeps over, for a while */
    bool polls;          /* no interrupts */
    uint32_t nic_frames; /* of each queue of a NIC; 0: leave the NIC alone */
    uint32_t nic_sub_channels;
    uint32_t nic_receive_pages;
    bool open_nothing;
    struct model *models[GUEST_CLIENTS]; /* by the first byte of the disk's instance */
};
void guest_config_defaults(struct guest_config *config);

struct guest {
    struct loop *loop;
    struct guest_config config;
    struct loop_rand rand;
    struct enlg_partition partition;
    struct enlg_clock clock;
    struct enlg_stimer timer;
    struct enlg_synic synic[LOOP_VPS];
    struct enlg_vmbus bus;
    struct enlg_channel channels[GUEST_CHANNELS];
    struct client clients[GUEST_CLIENTS];
    struct nic *nic; /* NULL: it has none */
    struct enlg_ic ic[GUEST_ICS];
    uint8_t *ic_memory[GUEST_ICS];
    bool ic_open[GUEST_ICS];
    bool ic_stopping[GUEST_ICS];
    struct enlg_kvp_item items[GUEST_ITEMS];
    uint8_t *synic_pages[LOOP_VPS];
    bool up[LOOP_VPS];
    atomic_uint up_count;
    atomic_bool bus_up;
    atomic_bool hypercalls_up;
    /* asked by the test */
    atomic_bool ask_unload;
    atomic_uint ask_move[GUEST_CLIENTS]; /* VP + 1 */
    atomic_bool reconnect;               /* after the unload */
    atomic_bool hold;                    /* open no disk */
    uint32_t retries;                    /* of a connection that failed */
    /* seen */
    bool connected, all_offers, failed;
    atomic_bool unloaded;
    uint32_t offers, gone;
    uint32_t shutdowns;
    enum enlg_shutdown_kind shutdown_kind;
    uint64_t time_utc, time_reference;
    uint64_t timer_expirations;
    uint64_t moves, opens, closes;
    _Atomic uint64_t full;       /* requests that found no room in the ring */
    _Atomic uint64_t attentions; /* and such that heard of a change first */
    /* its memory, for whoever buries it */
    struct {
        void *pages;
        uint32_t count;
    } runs[GUEST_RUNS];
};

/* A kernel in the machine's memory, which becomes the machine's guest. */
struct guest *guest_boot(struct loop *loop, const struct guest_config *config);
/* Give its memory back: after an unload, or when the host has forgotten it. */
void guest_bury(struct guest *guest);

/* The kernel is no more, its requests will never be heard of: what the disks may hold. */
void guest_abandon(struct guest *guest);

/* Every disk is open, and has done its requests. Reads atomics only. Thread: any. */
bool guest_has_finished(const struct guest *guest, uint32_t disks);

/* pool.c: its key-value pairs; ctx is the guest. */
extern const struct enlg_kvp_ops guest_pool_ops;

/* VP 0: close a client when its thread has let go. Thread: any. */
void guest_close_client(struct guest *guest, uint32_t i);
/* VP 0: have the host interrupt another VP for this client's channel. Thread: any. */
void guest_move_client(struct guest *guest, uint32_t i, uint32_t vp);
/* Every disk that is open has done its requests, nothing is under way. */
bool guest_is_quiet(const struct guest *guest);
bool guest_clients_free(const struct guest *guest);
void guest_unload(struct guest *guest, bool reconnect);

#endif
