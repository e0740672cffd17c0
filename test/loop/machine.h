/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/machine.h - what the pieces of the machine share, and no test needs
 */
#ifndef TEST_LOOP_MACHINE_H
#define TEST_LOOP_MACHINE_H

#include "test/loop/partition.h"

/* partition.c */
extern _Thread_local struct loop_vp *loop_current; /* whose turn it is on this thread */
/* With threads: wake whoever waits under this lock. */
void loop_wake(struct loop *loop, pthread_mutex_t *lock, pthread_cond_t *cond);
void loop_vp_wake(struct loop_vp *vp);
void loop_vector_raise(struct loop_vp *vp, uint8_t vector);

/* faults.c */
enum loop_fate {
    LOOP_PASSED,
    LOOP_REFUSED,  /* INSUFFICIENT_BUFFERS */
    LOOP_LOST,     /* the caller believes that it was heard */
    LOOP_REPEATED, /* heard twice */
};
enum loop_fate loop_fault_hypercall(struct loop *loop, uint64_t control, uint64_t input);
/* Before a VP's turn. */
void loop_fault_turn(struct loop_vp *vp);
/* The interrupt is lost. */
bool loop_fault_interrupt(struct loop *loop);
/* The disk finishes nothing in its turn. */
bool loop_fault_disk(struct loop *loop);

/* memory.c; the first three are the platform's. */
enl_gpa loop_memory_gpa(void *ctx, const void *address);
void *loop_memory_map_twice(void *ctx, void *data, size_t len);
void loop_memory_unmap_twice(void *ctx, void *twice, size_t len);
void loop_memory_init(struct loop *loop);
void loop_memory_check(struct loop *loop);
void loop_memory_free_all(struct loop *loop);

/* schedule.c */
/* A turn for one of the host's; false when none has anything to do. */
bool loop_host_turn(struct loop *loop);
void *loop_worker_main(void *arg);

#endif
