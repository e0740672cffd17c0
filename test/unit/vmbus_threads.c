/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bus with real threads: a guest, a second VP that signals all the time, a thread that
 * wakes the channel all the time, the loop, and a worker for each opened channel. Whatever
 * gets lost (a wake, an interrupt, a packet) shows as a wait that never ends.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus_rig.h"

#define ROUNDS    60
#define PACKETS   400u
#define IN_FLIGHT 8u

static struct rig r;
static struct rig_guest guest;
static struct enlh_channel *channel;
static atomic_bool stop_noise;

static void
must(bool ok, const char *what)
{
    if (ok)
        return;
    print_error("%s\n", what);
    abort();
}

/* ---- a thing to sleep on ---- */

struct bell {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool rung;
};
#define BELL                                                                             \
    {                                                                                    \
        .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER              \
    }

static void
bell_ring(struct bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    bell->rung = true;
    pthread_cond_signal(&bell->cond);
    pthread_mutex_unlock(&bell->lock);
}

static void
bell_wait(struct bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    while (!bell->rung)
        pthread_cond_wait(&bell->cond, &bell->lock);
    bell->rung = false;
    pthread_mutex_unlock(&bell->lock);
}

/* ---- the embedder ---- */

static struct bell loop_bell = BELL, worker_bell = BELL;
static atomic_bool stop_loop;
static pthread_t worker_thread;

static void *
worker_main(void *arg)
{
    struct enlh_channel *mine = arg;
    enum enlh_run run;

    do {
        do
            run = enlh_channel_run(mine);
        while (run == ENLH_RUN_MORE);
        if (run == ENLH_RUN_IDLE)
            bell_wait(&worker_bell);
    } while (run != ENLH_RUN_STOPPED);
    return NULL;
}

static void
on_loop_wake(void *ctx)
{
    (void)ctx;
    bell_ring(&loop_bell);
}

static int
on_start(void *ctx, struct enlh_channel *started, uint32_t connection_id)
{
    (void)ctx;
    (void)connection_id;
    return pthread_create(&worker_thread, NULL, worker_main, started) ? -ENL_E_NOMEM : 0;
}

static void
on_stop(void *ctx, struct enlh_channel *stopped, uint32_t connection_id)
{
    (void)ctx;
    (void)stopped;
    (void)connection_id;
    must(pthread_join(worker_thread, NULL) == 0, "no worker to join");
}

static void
on_wake(void *ctx, struct enlh_channel *woken)
{
    (void)ctx;
    must(woken == channel, "a channel that is not there was woken");
    bell_ring(&worker_bell);
}

static const struct enlh_vmbus_ops bus_ops = {
    .size = sizeof(bus_ops),
    .loop_wake = on_loop_wake,
    .channel_start = on_start,
    .channel_stop = on_stop,
    .channel_wake = on_wake,
};

static void *
loop_main(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop_loop)) {
        while (enlh_vmbus_poll(r.bus))
            ;
        bell_wait(&loop_bell);
    }
    return NULL;
}

static void
no_record(void *ctx, uint32_t vp, uint8_t vector, bool auto_eoi)
{
    (void)ctx;
    (void)vp;
    (void)vector;
    (void)auto_eoi;
}

/* ---- a device with requests in flight ---- */

struct slow_device {
    uint64_t id[IN_FLIGHT];
    uint32_t count;
    atomic_uint opens, closes, removed;
};
static struct slow_device slow;

static int
slow_open(void *ctx, struct enlh_channel *opened)
{
    struct slow_device *dev = ctx;

    (void)opened;
    must(dev->count == 0, "opened with requests in flight");
    atomic_fetch_add(&dev->opens, 1);
    return 0;
}

static void
slow_close(void *ctx, struct enlh_channel *closed)
{
    struct slow_device *dev = ctx;

    (void)closed;
    must(dev->count == 0, "closed with requests in flight");
    atomic_fetch_add(&dev->closes, 1);
}

static int
slow_packet(void *ctx, struct enlh_channel *from, const struct enlh_packet *packet)
{
    struct slow_device *dev = ctx;

    if (dev->count == IN_FLIGHT) {
        enlh_channel_wake(from);
        return -ENL_E_AGAIN;
    }
    dev->id[dev->count++] = packet->transaction_id;
    enlh_channel_wake(from); /* a backend would, when it is done */
    return 0;
}

static void
slow_run(void *ctx, struct enlh_channel *to)
{
    struct slow_device *dev = ctx;
    uint32_t done = 0;

    while (done < dev->count &&
           enlh_channel_complete(to, dev->id[done], "done...", 8) == 0)
        done++;
    memmove(dev->id, dev->id + done, (dev->count - done) * sizeof(dev->id[0]));
    dev->count -= done;
}

static bool
slow_quiesce(void *ctx, struct enlh_channel *quiesced)
{
    struct slow_device *dev = ctx;

    (void)quiesced;
    dev->count = 0;
    return true;
}

static void
slow_removed(void *ctx, struct enlh_channel *removed)
{
    struct slow_device *dev = ctx;

    (void)removed;
    atomic_fetch_add(&dev->removed, 1);
}

static const struct enlh_channel_ops slow_ops = {
    .size = sizeof(slow_ops),
    .max_payload = 64,
    .open = slow_open,
    .close = slow_close,
    .packet = slow_packet,
    .run = slow_run,
    .quiesce = slow_quiesce,
    .removed = slow_removed,
};

/* ---- those who disturb ---- */

static void *
signal_main(void *arg)
{
    uint64_t *control = arg;

    while (!atomic_load(&stop_noise)) {
        uint64_t id = 0x2000u | *control;

        (void)fake_hypercall(&r.f, 1, ENL_HCALL_FAST | ENL_CALL_SIGNAL_EVENT, id, 0);
        sched_yield();
    }
    return NULL;
}

static void *
wake_main(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop_noise)) {
        enlh_channel_wake(channel);
        sched_yield();
    }
    return NULL;
}

/* ---- the guest ---- */

static void
guest_expect(uint32_t type, void *out, uint32_t len)
{
    struct enl_message message;
    struct enl_vmbus_header head;

    while (!fake_take_message(&r.f, 0, RIG_SINT, &message))
        sched_yield();
    memcpy(&head, message.payload, sizeof(head));
    must(head.type == type, "another message than expected");
    if (out)
        memcpy(out, message.payload, len);
}

static void
guest_post(const void *message, uint32_t len)
{
    while (rig_post_raw(&r, message, len) != ENL_HV_STATUS_SUCCESS)
        sched_yield();
}

static void
guest_contact(void)
{
    struct enl_vmbus_initiate_contact contact = {
        .head = {.type = ENL_VMBUS_INITIATE_CONTACT},
        .version = ENL_VMBUS_VERSION_WS2022,
    };
    struct enl_vmbus_header request = {.type = ENL_VMBUS_REQUEST_OFFERS};

    guest_post(&contact, sizeof(contact));
    guest_expect(ENL_VMBUS_VERSION_RESPONSE, NULL, 0);
    guest_post(&request, sizeof(request));
    guest_expect(ENL_VMBUS_OFFER_CHANNEL, NULL, 0);
    guest_expect(ENL_VMBUS_ALL_OFFERS_DELIVERED, NULL, 0);
}

static void
guest_gpadl(void)
{
    struct {
        struct enl_vmbus_gpadl_header header;
        struct enl_gpa_range range;
        uint64_t pfn[8];
    } __attribute__((packed)) message = {
        .header = {.head = {.type = ENL_VMBUS_GPADL_HEADER},
                   .relid = guest.relid,
                   .gpadl = guest.handle,
                   .range_buf_len = 72,
                   .range_count = 1},
        .range = {.byte_count = 8 * 4096},
    };
    struct enl_vmbus_gpadl_created created;

    for (uint32_t i = 0; i < 8; i++)
        message.pfn[i] = (guest.gpa >> 12) + i;
    guest_post(&message, sizeof(message));
    guest_expect(ENL_VMBUS_GPADL_CREATED, &created, sizeof(created));
    must(created.status == 0, "GPADL refused");
}

static void
guest_view(uint64_t gpa, struct enl_ring_view *view)
{
    uint8_t *at = fake_at(&r.f, gpa, 4 * 4096);

    memset(at, 0, 4 * 4096);
    *view = (struct enl_ring_view){.header = (struct enl_ring_header *)(void *)at,
                                   .base = at + 4096,
                                   .size = 3 * 4096};
    enl_ring_header_init(view->header);
}

static void
guest_open(void)
{
    struct enl_vmbus_open open = {
        .head = {.type = ENL_VMBUS_OPEN_CHANNEL},
        .relid = guest.relid,
        .open_id = guest.relid,
        .ring_gpadl = guest.handle,
        .downstream_offset = 4,
    };
    struct enl_vmbus_open_result result;
    struct enl_ring_view view;

    guest_view(guest.gpa, &view);
    must(enl_ring_producer_init(&guest.out, &view, false) == 0, "ring");
    guest_view(guest.gpa + 4 * 4096, &view);
    must(enl_ring_consumer_init(&guest.in, &view, false) == 0, "ring");
    guest_post(&open, sizeof(open));
    guest_expect(ENL_VMBUS_OPEN_RESULT, &result, sizeof(result));
    must(result.status == 0, "OPEN refused");
}

/* Take what is there; signal the host when it waits for room. */
static uint32_t
guest_receive(uint64_t *next)
{
    struct enl_ring_packet packet;
    uint32_t count = 0;
    int got;

    while ((got = enl_ring_get(&guest.in, &packet)) == 1) {
        must(packet.transaction_id == *next, "a completion out of order");
        (*next)++;
        count++;
    }
    must(got == 0, "the host broke the ring");
    if (enl_ring_release(&guest.in))
        rig_signal(&r, &guest);
    return count;
}

/* As an interrupt handler: masked while it reads, and once more after unmasking. */
static void
guest_interrupt(uint64_t *next)
{
    if (!rig_interrupted(&r, 0, guest.relid) && !rig_interrupted(&r, 1, guest.relid)) {
        sched_yield();
        return;
    }
    do {
        enl_ring_mask(&guest.in, true);
        guest_receive(next);
    } while (enl_ring_unmask(&guest.in));
}

/* Requests and their completions, of which stop_after are waited for. */
static void
guest_traffic(uint32_t stop_after)
{
    struct enl_ring_piece piece = {.data = "request.", .len = 8};
    uint64_t sent = 0, next = 0;

    while (next < stop_after) {
        if (sent < PACKETS &&
            enl_ring_put(&guest.out, ENL_PACKET_INBAND, 1, sent, &piece, 1, 0) == 0) {
            sent++;
            if (enl_ring_publish(&guest.out))
                rig_signal(&r, &guest);
            continue;
        }
        guest_interrupt(&next);
    }
}

static void
guest_modify(uint32_t vp)
{
    struct enl_vmbus_modify_channel modify = {.head = {.type = ENL_VMBUS_MODIFY_CHANNEL},
                                              .relid = guest.relid,
                                              .target_vp = vp};

    guest_post(&modify, sizeof(modify));
    guest_expect(ENL_VMBUS_MODIFY_CHANNEL_RESPONSE, NULL, 0);
}

/* TORNDOWN is what tells that nobody writes the rings any more. */
static void
guest_close(void)
{
    struct enl_vmbus_relid close = {.head = {.type = ENL_VMBUS_CLOSE_CHANNEL},
                                    .relid = guest.relid};
    struct enl_vmbus_gpadl_teardown teardown = {
        .head = {.type = ENL_VMBUS_GPADL_TEARDOWN},
        .relid = guest.relid,
        .gpadl = guest.handle,
    };

    guest_post(&close, sizeof(close));
    guest_post(&teardown, sizeof(teardown));
    guest_expect(ENL_VMBUS_GPADL_TORNDOWN, NULL, 0);
}

/* ---- the tests ---- */

struct crowd {
    pthread_t loop, signaller, waker;
    uint64_t relid;
};

static void
crowd_start(struct crowd *crowd)
{
    rig_init(&r);
    r.f.config.vp_count = 2;
    r.f.ops.interrupt = no_record;
    fake_start(&r.f);
    must(enlh_vmbus_create(r.f.partition, &r.config, &bus_ops, NULL, &r.bus) == 0, "bus");
    fake_set(&r.f, 0, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
    for (uint32_t i = 0; i < 2; i++) {
        fake_synic_on(&r.f, i, RIG_SINT);
        memset(fake_at(&r.f, FAKE_SIMP_GPA(i), 0x2000), 0, 0x2000);
    }
    memset(&slow, 0, sizeof(slow));
    {
        struct enlh_offer offer = rig_offer_of(1, 0);

        must(enlh_channel_offer(r.bus, &offer, &slow_ops, &slow, &channel) == 0, "offer");
    }
    crowd->relid = enlh_channel_relid(channel);
    guest = (struct rig_guest){
        .relid = (uint32_t)crowd->relid, .handle = 77, .gpa = RIG_RAM_GPA};
    atomic_store(&stop_loop, false);
    atomic_store(&stop_noise, false);
    must(!pthread_create(&crowd->loop, NULL, loop_main, NULL), "thread");
    guest_contact();
    must(!pthread_create(&crowd->signaller, NULL, signal_main, &crowd->relid), "thread");
    must(!pthread_create(&crowd->waker, NULL, wake_main, NULL), "thread");
}

static void
crowd_stop(struct crowd *crowd)
{
    atomic_store(&stop_noise, true);
    pthread_join(crowd->signaller, NULL);
    pthread_join(crowd->waker, NULL);
    atomic_store(&stop_loop, true);
    bell_ring(&loop_bell);
    pthread_join(crowd->loop, NULL);
    enlh_vmbus_reset(r.bus);
    while (!enlh_vmbus_idle(r.bus))
        (void)enlh_vmbus_poll(r.bus);
    enlh_channel_rescind(channel);
    while (!atomic_load(&slow.removed))
        (void)enlh_vmbus_poll(r.bus);
    enlh_vmbus_destroy(r.bus);
    fake_fini(&r.f);
}

static void
threads_all_completions_arrive_in_order(void **state)
{
    struct crowd crowd;

    (void)state;
    crowd_start(&crowd);
    for (int i = 0; i < ROUNDS; i++) {
        guest_gpadl();
        guest_open();
        guest_traffic(PACKETS);
        guest_close();
    }
    crowd_stop(&crowd);
    assert_int_equal(atomic_load(&slow.opens), atomic_load(&slow.closes));
}

/* Close with requests in flight, open at once: the worker is never in two lives. */
static void
threads_close_in_the_middle_of_traffic(void **state)
{
    struct crowd crowd;

    (void)state;
    crowd_start(&crowd);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        guest_gpadl();
        guest_open();
        guest_modify(i % 2);
        guest_traffic(PACKETS / 8);
        guest_close();
    }
    crowd_stop(&crowd);
    assert_int_equal(atomic_load(&slow.opens), ROUNDS);
    assert_int_equal(atomic_load(&slow.closes), ROUNDS);
}

/* The next kernel connects while the worker of the one before is at work. */
static void
threads_contact_in_the_middle_of_traffic(void **state)
{
    struct crowd crowd;

    (void)state;
    crowd_start(&crowd);
    for (int i = 0; i < ROUNDS; i++) {
        guest_gpadl();
        guest_open();
        guest_traffic(PACKETS / 8);
        guest_contact();
    }
    crowd_stop(&crowd);
    assert_int_equal(atomic_load(&slow.opens), ROUNDS);
    assert_int_equal(atomic_load(&slow.closes), ROUNDS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_all_completions_arrive_in_order),
        cmocka_unit_test(threads_close_in_the_middle_of_traffic),
        cmocka_unit_test(threads_contact_in_the_middle_of_traffic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
