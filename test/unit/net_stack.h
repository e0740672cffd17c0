/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/net_stack.h - one queue of a network, in the hands of a test
 */
#ifndef TEST_UNIT_NET_STACK_H
#define TEST_UNIT_NET_STACK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "enlight/backend/net.h"
#include "fake_net.h"
#include "fake_partition.h"

struct net_stack {
    struct fake f;
    struct enlh_net net; /* under test */
    struct enlh_net_queue *queue;
    int bell, fd;
    uint32_t done; /* frames that came back by done() */
};

void net_stack_begin(struct net_stack *stack);
void net_stack_open(struct net_stack *stack);
void net_stack_end(struct net_stack *stack);
/* A frame of len bytes that count up from first; len up to ENLH_NET_HEAD_MAX. */
int net_stack_send(struct net_stack *stack, uint32_t len, uint8_t first);
/* The next frame, to GPA 0x10000; waits up to 30 s when told to. Returns 0: none. */
uint32_t net_stack_receive(struct net_stack *stack, bool wait,
                           struct enlh_net_received *frame);
/* Wait for the bell. */
void net_stack_wait(struct net_stack *stack);

#endif
