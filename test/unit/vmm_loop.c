/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop: the bell, descriptors, and what a hang-up must not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/loop.h"

static struct enlm_loop loop;
static int rings, reads, ends[2];

static void
on_ring(void *ctx)
{
    (void)ctx;
    rings++;
}

static void
on_read(void *ctx)
{
    char byte;

    (void)ctx;
    reads++;
    (void)!read(ends[0], &byte, 1);
}

static int
setup(void **state)
{
    (void)state;
    rings = reads = 0;
    return enlm_loop_init(&loop, on_ring, NULL) || pipe(ends) ? -1 : 0;
}

static int
teardown(void **state)
{
    (void)state;
    enlm_loop_fini(&loop);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void
loop_many_rings_are_one_call(void **state)
{
    (void)state;
    enlm_loop_ring(&loop);
    enlm_loop_ring(&loop);
    enlm_loop_once(&loop, 0);
    enlm_loop_once(&loop, 0);
    assert_int_equal(rings, 1);
    enlm_loop_ring(&loop);
    enlm_loop_once(&loop, 0);
    assert_int_equal(rings, 2);
}

static void
loop_descriptor_is_served_while_listened_to(void **state)
{
    (void)state;
    assert_int_equal(enlm_loop_add(&loop, ends[0], on_read, NULL), 0);
    assert_int_equal(write(ends[1], "ab", 2), 2);
    enlm_loop_once(&loop, 0);
    assert_int_equal(reads, 1);
    enlm_loop_listen(&loop, ends[0], false, false);
    enlm_loop_once(&loop, 0);
    assert_int_equal(reads, 1);
    enlm_loop_listen(&loop, ends[0], true, false);
    enlm_loop_once(&loop, 0);
    assert_int_equal(reads, 2);
}

static void
loop_hang_up_is_not_told_to_who_does_not_listen(void **state)
{
    (void)state;
    assert_int_equal(enlm_loop_add(&loop, ends[0], on_read, NULL), 0);
    enlm_loop_listen(&loop, ends[0], false, false);
    close(ends[1]);
    enlm_loop_once(&loop, 0);
    assert_int_equal(reads, 0);
}

static void
loop_too_many_sources_are_refused(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ENLM_LOOP_SOURCES; i++)
        assert_int_equal(enlm_loop_every(&loop, 3600000, on_read, NULL), 0);
    assert_int_equal(enlm_loop_every(&loop, 3600000, on_read, NULL), -ENL_E_NOSPC);
    assert_int_equal(enlm_loop_add(&loop, ends[0], on_read, NULL), -ENL_E_NOSPC);
}

static void
loop_period_that_is_cancelled_gives_its_place_back(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ENLM_LOOP_SOURCES; i++)
        assert_int_equal(enlm_loop_every(&loop, 3600000, on_ring, i ? &rings : NULL), 0);
    enlm_loop_cancel(&loop, on_read, NULL);
    assert_int_equal(enlm_loop_add(&loop, ends[0], on_read, NULL), -ENL_E_NOSPC);
    enlm_loop_cancel(&loop, on_ring, NULL);
    enlm_loop_cancel(&loop, on_ring, NULL);
    assert_int_equal(enlm_loop_add(&loop, ends[0], on_read, NULL), 0);
    assert_int_equal(enlm_loop_every(&loop, 3600000, on_ring, NULL), -ENL_E_NOSPC);
}

static void
loop_regular_file_is_told_apart(void **state)
{
    char path[] = "/tmp/vmm_loop.XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(enlm_loop_add(&loop, fd, on_read, NULL), -ENL_E_PERM);
    close(fd);
}

static int others[2];

static void
on_other(void *ctx)
{
    (void)ctx;
    reads++;
    enlm_loop_remove(&loop, ends[0]);
    enlm_loop_remove(&loop, others[0]);
}

static void
loop_removed_descriptor_is_not_served_even_in_the_same_turn(void **state)
{
    (void)state;
    assert_int_equal(pipe(others), 0);
    assert_int_equal(enlm_loop_add(&loop, ends[0], on_other, NULL), 0);
    assert_int_equal(enlm_loop_add(&loop, others[0], on_other, NULL), 0);
    assert_int_equal(write(ends[1], "a", 1), 1);
    assert_int_equal(write(others[1], "a", 1), 1);
    enlm_loop_once(&loop, 0);
    assert_int_equal(reads, 1);
    enlm_loop_once(&loop, 0);
    assert_int_equal(reads, 1);
    close(others[0]);
    close(others[1]);
}

static void
on_swap(void *ctx)
{
    (void)ctx;
    reads++;
    enlm_loop_remove(&loop, ends[0]);
    enlm_loop_remove(&loop, others[0]);
    assert_int_equal(enlm_loop_add(&loop, others[0], on_read, NULL), 0);
    assert_int_equal(enlm_loop_add(&loop, ends[0], on_read, NULL), 0);
}

static void
loop_event_of_a_removed_descriptor_is_not_for_the_next_in_its_place(void **state)
{
    (void)state;
    assert_int_equal(pipe(others), 0);
    assert_int_equal(enlm_loop_add(&loop, ends[0], on_swap, NULL), 0);
    assert_int_equal(enlm_loop_add(&loop, others[0], on_swap, NULL), 0);
    assert_int_equal(write(ends[1], "a", 1), 1);
    assert_int_equal(write(others[1], "a", 1), 1);
    enlm_loop_once(&loop, 0);
    assert_int_equal(reads, 1);
    close(others[0]);
    close(others[1]);
}

static void
loop_places_are_given_away_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * ENLM_LOOP_SOURCES; i++) {
        assert_int_equal(enlm_loop_add(&loop, ends[0], on_read, NULL), 0);
        enlm_loop_remove(&loop, ends[0]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loop_many_rings_are_one_call, setup, teardown),
        cmocka_unit_test_setup_teardown(loop_descriptor_is_served_while_listened_to,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(loop_hang_up_is_not_told_to_who_does_not_listen,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(loop_too_many_sources_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            loop_period_that_is_cancelled_gives_its_place_back, setup, teardown),
        cmocka_unit_test_setup_teardown(loop_regular_file_is_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(
            loop_removed_descriptor_is_not_served_even_in_the_same_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(
            loop_event_of_a_removed_descriptor_is_not_for_the_next_in_its_place, setup,
            teardown),
        cmocka_unit_test_setup_teardown(loop_places_are_given_away_again, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
