/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/ring.c - one direction of a VMBus ring
 *
 * Anyone who owns a channel makes this run, and the peer of the ring can write every byte
 * that it reads. It trusts the view and the packets that it filled in itself, nothing in
 * shared memory. The work of a call is bounded by the bytes that it copies.
 *
 * Two questions of the form "I store mine, then load yours" decide about signals: data
 * and interrupt mask, space and pending send size. Each side has a full fence between
 * its store and its load, so at least one of them sees the other's store, and no side
 * sleeps on what the other has already given. test/model/ring.pml proves it.
 *
 * [TLFS has no chapter on rings.] Seen: Linux 6.12 drivers/hv/ring_buffer.c.
 * Tests: test/unit/ring_*.c.
 */
#include "common/ring.h"

#include <string.h>

#include "common/checked.h"

/* Eight bytes of a ring, which may be read as anything. */
typedef uint64_t __attribute__((may_alias)) ring_word;

#define HEAD_LEN    ((uint32_t)sizeof(struct enl_packet))
#define PACKET_MIN  (HEAD_LEN + ENL_PACKET_TRAILER)
#define SIZE_MAX_OK 0x80000000u /* an index plus a length still fits 32 bits */

/*
 * The full fence between a store to the header and the load that answers it. The thread
 * sanitizer does not model it; what it needs to see are the release and acquire pairs.
 */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif
static inline void
full_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* What was copied out stays as it was copied: no later use reads the ring again. */
static inline void
copied_once(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline uint32_t
peek(const uint32_t *field)
{
    return __atomic_load_n(field, __ATOMIC_RELAXED);
}

static inline void
poke(uint32_t *field, uint32_t value)
{
    __atomic_store_n(field, value, __ATOMIC_RELAXED);
}

/* ---- indices and bytes of the data area ---- */

static inline bool
index_ok(const struct enl_ring_view *view, uint32_t index)
{
    return index < view->size && index % ENL_PACKET_ALIGN == 0;
}

static inline uint32_t
distance(const struct enl_ring_view *view, uint32_t from, uint32_t to)
{
    return to >= from ? to - from : to + view->size - from;
}

static inline uint32_t
step(const struct enl_ring_view *view, uint32_t at, uint32_t len)
{
    at += len;
    return at >= view->size ? at - view->size : at;
}

static inline uint8_t *
byte_at(const struct enl_ring_view *view, uint32_t at)
{
    if (view->pages != NULL)
        return view->pages[at >> ENL_PAGE_SHIFT] + (at & ENL_PAGE_MASK);
    return view->base + at;
}

/* An aligned word never straddles a page or the end. */
static inline ring_word *
word_at(const struct enl_ring_view *view, uint32_t at)
{
    return (ring_word *)(void *)byte_at(view, at);
}

/* Read a word once: the peer may change it between two reads. */
static inline uint64_t
word_once(const struct enl_ring_view *view, uint32_t at)
{
    return *(const volatile ring_word *)word_at(view, at);
}

/* How many of len bytes lie in one piece of memory from at on. */
static inline uint32_t
run_at(const struct enl_ring_view *view, uint32_t at, uint32_t len)
{
    uint32_t run;

    if (view->pages != NULL)
        run = ENL_PAGE_SIZE - (at & ENL_PAGE_MASK);
    else if (view->doubled)
        return len;
    else
        run = view->size - at;
    return run < len ? run : len;
}

static inline uint32_t
copy_in(const struct enl_ring_view *view, uint32_t at, const void *data, uint32_t len)
{
    const uint8_t *from = data;
    uint32_t run;

    for (; len != 0; len -= run, from += run) {
        run = run_at(view, at, len);
        memcpy(byte_at(view, at), from, run);
        at = step(view, at, run);
    }
    return at;
}

static inline void
copy_out(const struct enl_ring_view *view, uint32_t at, void *data, uint32_t len)
{
    uint8_t *to = data;
    uint32_t run;

    for (; len != 0; len -= run, to += run) {
        run = run_at(view, at, len);
        memcpy(to, byte_at(view, at), run);
        at = step(view, at, run);
    }
    copied_once();
}

static bool
view_ok(const struct enl_ring_view *view)
{
    return view->size != 0 && view->size <= SIZE_MAX_OK &&
           view->size % ENL_PAGE_SIZE == 0;
}

uint32_t
enl_ring_packet_size(uint32_t desc_len, uint32_t payload_len)
{
    uint64_t len = (uint64_t)desc_len + payload_len;

    len = (len + ENL_PACKET_ALIGN - 1) / ENL_PACKET_ALIGN * ENL_PACKET_ALIGN;
    len += ENL_PACKET_TRAILER;
    return len < UINT32_MAX ? (uint32_t)len : UINT32_MAX;
}

void
enl_ring_header_init(struct enl_ring_header *header)
{
    memset(header, 0, sizeof(*header));
    header->feature_bits = ENL_RING_FEATURE_PENDING_SEND_SIZE;
}

/* ---- the producer ---- */

int
enl_ring_producer_init(struct enl_ring_producer *p, const struct enl_ring_view *view,
                       bool resume)
{
    struct enl_ring_header *header = view->header;
    uint32_t write = resume ? peek(&header->write_index) : 0;
    uint32_t read = resume ? __atomic_load_n(&header->read_index, __ATOMIC_ACQUIRE) : 0;

    if (!view_ok(view))
        return -ENL_E_INVAL;
    if (!index_ok(view, write) || !index_ok(view, read))
        return -ENL_E_PROTO;
    p->view = *view;
    p->write = write;
    p->published = write;
    p->read = read;
    p->pending = 0;
    poke(&header->pending_send_size, 0);
    poke(&header->feature_bits,
         peek(&header->feature_bits) | ENL_RING_FEATURE_PENDING_SEND_SIZE);
    return 0;
}

static inline uint32_t
known_free(const struct enl_ring_producer *p)
{
    return p->view.size - distance(&p->view, p->read, p->write);
}

/* Look where the consumer is: between where it was and what it has been shown. */
static int
producer_refresh(struct enl_ring_producer *p)
{
    /*
     * Acquire: the consumer's loads of packet bytes, before its store of read_index, come
     * before our stores over those bytes. Pairs with the release in enl_ring_release().
     */
    uint32_t read = __atomic_load_n(&p->view.header->read_index, __ATOMIC_ACQUIRE);

    if (!index_ok(&p->view, read))
        return -ENL_E_PROTO;
    if (distance(&p->view, p->read, read) > distance(&p->view, p->read, p->published))
        return -ENL_E_PROTO;
    p->read = read;
    return 0;
}

/* Make sure that need bytes and one more are free. */
static inline int
producer_reserve(struct enl_ring_producer *p, uint32_t need)
{
    int rc;

    if (known_free(p) > need)
        return 0;
    rc = producer_refresh(p);
    if (rc != 0)
        return rc;
    return known_free(p) > need ? 0 : -ENL_E_AGAIN;
}

static void
wait_set(struct enl_ring_producer *p, uint32_t pending)
{
    p->pending = pending;
    poke(&p->view.header->pending_send_size, pending);
}

/* Add up the pieces and see that they make a packet which this ring can hold. */
static int
body_len(const struct enl_ring_producer *p, const struct enl_ring_piece *pieces,
         uint32_t piece_count, uint32_t desc_extra_len, uint32_t *out)
{
    uint32_t body = 0;

    for (uint32_t i = 0; i < piece_count; i++) {
        if (!enl_add32(body, pieces[i].len, &body))
            return -ENL_E_MSGSIZE;
    }
    if (body > ENL_PACKET_LEN_MAX - HEAD_LEN || desc_extra_len > body ||
        desc_extra_len % ENL_PACKET_ALIGN != 0)
        return -ENL_E_MSGSIZE;
    if (enl_ring_packet_size(HEAD_LEN, body) >= p->view.size)
        return -ENL_E_MSGSIZE;
    *out = body;
    return 0;
}

/* The two words of a packet's head, then the trailer's, which says where it starts. */
static void
put_frame(struct enl_ring_producer *p, uint64_t fields, uint64_t transaction_id,
          uint32_t body)
{
    const struct enl_ring_view *view = &p->view;
    uint32_t at = p->write;

    *word_at(view, at) = fields;
    at = step(view, at, 8);
    *word_at(view, at) = transaction_id;
    at = step(view, at, 8);
    if (body % ENL_PACKET_ALIGN != 0)
        *word_at(view, step(view, at, body & ~7u)) = 0; /* padding, before the pieces */
    at = step(view, at, (body + 7) & ~7u);
    *word_at(view, at) = (uint64_t)p->write << 32;
}

int
enl_ring_put(struct enl_ring_producer *p, uint16_t type, uint16_t flags,
             uint64_t transaction_id, const struct enl_ring_piece *pieces,
             uint32_t piece_count, uint32_t desc_extra_len)
{
    uint32_t body, need, at;
    int rc;

    rc = body_len(p, pieces, piece_count, desc_extra_len, &body);
    if (rc != 0)
        return rc;
    need = enl_ring_packet_size(HEAD_LEN, body);
    rc = producer_reserve(p, need);
    if (rc != 0)
        return rc;

    put_frame(p,
              (uint64_t)type | (uint64_t)((HEAD_LEN + desc_extra_len) / 8) << 16 |
                  (uint64_t)((need - ENL_PACKET_TRAILER) / 8) << 32 |
                  (uint64_t)flags << 48,
              transaction_id, body);
    at = step(&p->view, p->write, HEAD_LEN);
    for (uint32_t i = 0; i < piece_count; i++)
        at = copy_in(&p->view, at, pieces[i].data, pieces[i].len);
    p->write = step(&p->view, p->write, need);
    if (p->pending != 0)
        wait_set(p, 0);
    return 0;
}

bool
enl_ring_publish(struct enl_ring_producer *p)
{
    struct enl_ring_header *header = p->view.header;
    uint32_t before = p->published;

    if (p->write == before)
        return false;
    /*
     * Release: the bytes of the packets come before the index that covers them. Pairs
     * with the acquire in consumer_refresh().
     */
    __atomic_store_n(&header->write_index, p->write, __ATOMIC_RELEASE);
    p->published = p->write;
    /*
     * Full: the store of write_index comes before the loads of interrupt_mask and
     * read_index. Pairs with the fence in enl_ring_unmask(), between its store of
     * interrupt_mask and its load of write_index, and with the fence in
     * enl_ring_release(), between the store of read_index and a load of write_index.
     */
    full_fence();
    if (peek(&header->interrupt_mask) != 0)
        return false;
    return peek(&header->read_index) == before;
}

bool
enl_ring_unread(const struct enl_ring_producer *p)
{
    return peek(&p->view.header->read_index) != p->published;
}

bool
enl_ring_would_signal(const struct enl_ring_producer *p)
{
    return peek(&p->view.header->interrupt_mask) == 0 && !enl_ring_unread(p);
}

bool
enl_ring_wait_space(struct enl_ring_producer *p, uint32_t packet_size)
{
    if (packet_size != 0) {
        wait_set(p, packet_size);
        /*
         * Full: the store of pending_send_size comes before the load of read_index. Pairs
         * with the fence in enl_ring_release(), between its store of read_index and its
         * load of pending_send_size.
         */
        full_fence();
        if (producer_refresh(p) == 0 && known_free(p) <= packet_size)
            return false;
    }
    wait_set(p, 0);
    return true;
}

uint32_t
enl_ring_free(struct enl_ring_producer *p)
{
    return producer_refresh(p) == 0 ? known_free(p) : 0;
}

/* ---- the consumer ---- */

int
enl_ring_consumer_init(struct enl_ring_consumer *c, const struct enl_ring_view *view,
                       bool resume)
{
    uint32_t read = resume ? peek(&view->header->read_index) : 0;
    uint32_t write =
        resume ? __atomic_load_n(&view->header->write_index, __ATOMIC_ACQUIRE) : 0;

    if (!view_ok(view))
        return -ENL_E_INVAL;
    if (!index_ok(view, read) || !index_ok(view, write))
        return -ENL_E_PROTO;
    c->view = *view;
    c->read = read;
    c->released = read;
    c->write = write;
    return 0;
}

/* Look where the producer is: not behind where it was. */
static int
consumer_refresh(struct enl_ring_consumer *c)
{
    /*
     * Acquire: the index comes before our loads of the packets that it covers. Pairs with
     * the release in enl_ring_publish().
     */
    uint32_t write = __atomic_load_n(&c->view.header->write_index, __ATOMIC_ACQUIRE);

    if (!index_ok(&c->view, write))
        return -ENL_E_PROTO;
    if (distance(&c->view, c->released, write) <
        distance(&c->view, c->released, c->write))
        return -ENL_E_PROTO;
    c->write = write;
    return 0;
}

int
enl_ring_get(struct enl_ring_consumer *c, struct enl_ring_packet *packet)
{
    uint64_t fields;
    uint32_t desc_len, len;

    if (c->read == c->write) {
        if (consumer_refresh(c) != 0)
            return -ENL_E_PROTO;
        if (c->read == c->write)
            return 0;
    }
    fields = word_once(&c->view, c->read);
    desc_len = (uint32_t)(fields >> 16 & 0xFFFF) * 8;
    len = (uint32_t)(fields >> 32 & 0xFFFF) * 8;
    if (desc_len < HEAD_LEN || desc_len > len ||
        len + ENL_PACKET_TRAILER > distance(&c->view, c->read, c->write))
        return -ENL_E_PROTO;

    packet->type = (uint16_t)fields;
    packet->flags = (uint16_t)(fields >> 48);
    packet->transaction_id = word_once(&c->view, step(&c->view, c->read, 8));
    packet->desc_len = desc_len;
    packet->payload_len = len - desc_len;
    packet->at = c->read;
    c->read = step(&c->view, c->read, len + ENL_PACKET_TRAILER);
    return 1;
}

int
enl_ring_copy(const struct enl_ring_consumer *c, const struct enl_ring_packet *packet,
              uint32_t offset, void *to, uint32_t len)
{
    if (!enl_within(offset, len, (uint64_t)packet->desc_len + packet->payload_len))
        return -ENL_E_RANGE;
    copy_out(&c->view, step(&c->view, packet->at, offset), to, len);
    return 0;
}

/* Did freeing these bytes let a producer that waits for more than pending go on? */
static bool
frees_enough(struct enl_ring_consumer *c, uint32_t freed, uint32_t pending)
{
    uint32_t after;

    if (consumer_refresh(c) != 0)
        return false;
    after = c->view.size - distance(&c->view, c->released, c->write);
    return after > pending && after - freed <= pending;
}

bool
enl_ring_release(struct enl_ring_consumer *c)
{
    struct enl_ring_header *header = c->view.header;
    uint32_t freed = distance(&c->view, c->released, c->read);
    uint32_t pending;

    if (freed == 0)
        return false;
    /*
     * Release: our loads of packet bytes come before the index that gives them away.
     * Pairs with the acquire in producer_refresh().
     */
    __atomic_store_n(&header->read_index, c->read, __ATOMIC_RELEASE);
    c->released = c->read;
    /*
     * Full: the store of read_index comes before the loads of pending_send_size, and of
     * write_index in whatever looks next. Pairs with the fence in enl_ring_wait_space(),
     * between its store of pending_send_size and its load of read_index, and with the
     * fence in enl_ring_publish(), between its store of write_index and its load of
     * read_index.
     */
    full_fence();
    pending = peek(&header->pending_send_size);
    if (pending == 0)
        return false;
    if ((peek(&header->feature_bits) & ENL_RING_FEATURE_PENDING_SEND_SIZE) == 0)
        return false;
    return frees_enough(c, freed, pending);
}

void
enl_ring_mask(struct enl_ring_consumer *c, bool masked)
{
    poke(&c->view.header->interrupt_mask, masked ? 1 : 0);
}

bool
enl_ring_readable(struct enl_ring_consumer *c)
{
    return c->read != c->write || consumer_refresh(c) != 0 || c->read != c->write;
}

bool
enl_ring_unmask(struct enl_ring_consumer *c)
{
    enl_ring_mask(c, false);
    /*
     * Full: the store of interrupt_mask comes before the load of write_index. Pairs with
     * the fence in enl_ring_publish(), between its store of write_index and its load of
     * interrupt_mask.
     */
    full_fence();
    return c->read != c->released || enl_ring_readable(c);
}

bool
enl_ring_peer_wakes(const struct enl_ring_consumer *c)
{
    return (peek(&c->view.header->feature_bits) & ENL_RING_FEATURE_PENDING_SEND_SIZE) !=
           0;
}
