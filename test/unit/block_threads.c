/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/block_threads.c - the pool: requests pass one another, a wake without a
 * descriptor, closing right after the last request
 *
 * A page of the guest's RAM that the kernel cannot fill until the test lets it
 * (userfaultfd) holds one request up for as long as the test wants.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "block_rig.h"

enum { DISK = 1 << 20, HELD = 1 << 20 };

static void
make_disk(struct enlh_block *block, uint32_t thread_count)
{
    struct enlb_file_config config;

    enlb_file_config_defaults(&config);
    config.aio = ENLB_AIO_THREADS;
    config.threads = thread_count;
    assert_int_equal(enlb_file_create(rig_file(DISK), &config, block, NULL), 0);
}

/* Make one page of RAM missing. Returns the descriptor that can fill it, or -1. */
static int
hold_page(uint8_t *page)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register range = {
        .range = {.start = (uintptr_t)page, .len = 4096},
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

    if (fd < 0)
        return -1;
    madvise(page, 4096, MADV_DONTNEED);
    if (ioctl(fd, UFFDIO_API, &api) != 0 || ioctl(fd, UFFDIO_REGISTER, &range) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void
let_go(int fd, uint8_t *page)
{
    struct uffdio_zeropage zero = {.range = {.start = (uintptr_t)page, .len = 4096}};

    assert_int_equal(ioctl(fd, UFFDIO_ZEROPAGE, &zero), 0);
    close(fd);
}

static void
later_request_passes_one_that_is_held_up(void **state)
{
    struct enlh_block block;
    struct rig_io slow, quick;
    struct uffd_msg fault;
    struct rig rig;
    int fd;

    (void)state;
    make_disk(&block, 2);
    rig_start(&rig, &block, 4);
    fd = hold_page(rig.ram + HELD);
    if (fd < 0) {
        rig_stop(&rig);
        enlb_file_destroy(&block);
        print_message("# SKIP userfaultfd is not allowed here\n");
        skip();
    }
    rig_io_init(&slow, &rig, ENLH_BLOCK_READ, 0, 4096, HELD);
    rig_submit(&slow);
    assert_int_equal(read(fd, &fault, sizeof(fault)), (ssize_t)sizeof(fault));
    rig_io_init(&quick, &rig, ENLH_BLOCK_READ, 4096, 4096, 0);
    rig_submit(&quick);
    rig_wait(&rig, 1);
    assert_int_equal(quick.done_count, 1);
    assert_int_equal(slow.done_count, 0);
    let_go(fd, rig.ram + HELD);
    rig_wait(&rig, 2);
    assert_int_equal(slow.result, 0);
    rig_stop(&rig);
    enlb_file_destroy(&block);
}

/* ---- a wake by function ---- */

struct waker {
    pthread_mutex_t lock;
    pthread_cond_t more;
    uint32_t count;
};

static void
wake_fn(void *ctx)
{
    struct waker *waker = ctx;

    pthread_mutex_lock(&waker->lock);
    waker->count++;
    pthread_cond_signal(&waker->more);
    pthread_mutex_unlock(&waker->lock);
}

static void
wake_without_a_descriptor_calls_the_function(void **state)
{
    struct waker waker = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    const struct enlh_wake wake = {.fn = wake_fn, .ctx = &waker, .fd = -1};
    struct enlb_file_config config;
    struct enlh_block_queue *queue;
    struct enlh_block block;
    struct rig_io io;
    struct rig rig;

    (void)state;
    enlb_file_config_defaults(&config);
    assert_int_equal(enlb_file_create(rig_file(DISK), &config, &block, NULL), 0);
    rig_start(&rig, &block, 4);
    assert_int_equal(
        block.ops->queue_open(block.backend, rig.partition, 4, &wake, &queue), 0);
    rig_io_init(&io, &rig, ENLH_BLOCK_READ, 0, 4096, 0);
    assert_int_equal(block.ops->submit(queue, &io.request), 0);
    block.ops->kick(queue);
    pthread_mutex_lock(&waker.lock);
    while (waker.count == 0)
        pthread_cond_wait(&waker.more, &waker.lock);
    pthread_mutex_unlock(&waker.lock);
    assert_int_equal(io.done_count, 0); /* done only within reap */
    assert_int_equal(block.ops->reap(queue), 1);
    assert_int_equal(io.result, 0);
    block.ops->queue_close(block.backend, queue);
    rig_stop(&rig);
    enlb_file_destroy(&block);
}

/* A wake that lasts until the queue is being closed, and a little into that. */
struct slow_wake {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool inside, closing, left;
};

static void
set(struct slow_wake *slow, bool *flag)
{
    pthread_mutex_lock(&slow->lock);
    *flag = true;
    pthread_cond_broadcast(&slow->moved);
    pthread_mutex_unlock(&slow->lock);
}

static void
wait_for(struct slow_wake *slow, const bool *flag)
{
    pthread_mutex_lock(&slow->lock);
    while (!*flag)
        pthread_cond_wait(&slow->moved, &slow->lock);
    pthread_mutex_unlock(&slow->lock);
}

static void
slow_fn(void *ctx)
{
    struct slow_wake *slow = ctx;

    set(slow, &slow->inside);
    wait_for(slow, &slow->closing);
    for (int i = 0; i < 1000; i++)
        sched_yield();
    set(slow, &slow->left);
}

static void
close_waits_until_nobody_is_inside_a_wake(void **state)
{
    struct slow_wake slow = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false,
                             false, false};
    const struct enlh_wake wake = {.fn = slow_fn, .ctx = &slow, .fd = -1};
    struct enlh_block_queue *queue;
    struct enlh_block block;
    struct rig_io io;
    struct rig rig;

    (void)state;
    make_disk(&block, 1);
    rig_start(&rig, &block, 1);
    assert_int_equal(
        block.ops->queue_open(block.backend, rig.partition, 1, &wake, &queue), 0);
    rig_io_init(&io, &rig, ENLH_BLOCK_READ, 0, 4096, 0);
    assert_int_equal(block.ops->submit(queue, &io.request), 0);
    block.ops->kick(queue);
    wait_for(&slow, &slow.inside);
    assert_int_equal(block.ops->reap(queue), 1);
    set(&slow, &slow.closing);
    block.ops->queue_close(block.backend, queue);
    pthread_mutex_lock(&slow.lock);
    assert_true(slow.left);
    pthread_mutex_unlock(&slow.lock);
    rig_stop(&rig);
    enlb_file_destroy(&block);
}

static void
queue_without_any_wake_is_refused(void **state)
{
    const struct enlh_wake wake = {.fd = -1};
    struct enlh_block_queue *queue;
    struct enlh_block block;
    struct rig rig;

    (void)state;
    make_disk(&block, 1);
    rig_start(&rig, &block, 1);
    assert_int_equal(
        block.ops->queue_open(block.backend, rig.partition, 4, &wake, &queue),
        -ENL_E_INVAL);
    rig_stop(&rig);
    enlb_file_destroy(&block);
}

/* A thread of the pool may still be inside the wake when the last request is reaped. */
static void
queue_may_close_right_after_its_last_request(void **state)
{
    struct enlh_block block;
    struct rig_io io;
    struct rig rig;

    (void)state;
    make_disk(&block, 3);
    for (int i = 0; i < 300; i++) {
        rig_start(&rig, &block, 1);
        rig_io_init(&io, &rig, ENLH_BLOCK_READ, 0, 512, 0);
        rig_submit(&io);
        while (block.ops->reap(rig.queue) == 0)
            sched_yield();
        rig_stop(&rig);
    }
    enlb_file_destroy(&block);
}

/* One thread serves everything, in whatever number it comes. */
static void
one_thread_is_enough(void **state)
{
    static struct rig_io ios[64];
    struct enlh_block block;
    struct rig rig;

    (void)state;
    make_disk(&block, 1);
    rig_start(&rig, &block, 64);
    for (uint32_t i = 0; i < 64; i++) {
        rig_io_init(&ios[i], &rig, i % 2 ? ENLH_BLOCK_READ : ENLH_BLOCK_WRITE, i * 512,
                    512, i * 512);
        assert_int_equal(block.ops->submit(rig.queue, &ios[i].request), 0);
    }
    block.ops->kick(rig.queue);
    rig_wait(&rig, 64);
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(ios[i].result, 0);
    rig_stop(&rig);
    enlb_file_destroy(&block);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_request_passes_one_that_is_held_up),
        cmocka_unit_test(wake_without_a_descriptor_calls_the_function),
        cmocka_unit_test(close_waits_until_nobody_is_inside_a_wake),
        cmocka_unit_test(queue_without_any_wake_is_refused),
        cmocka_unit_test(queue_may_close_right_after_its_last_request),
        cmocka_unit_test(one_thread_is_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
