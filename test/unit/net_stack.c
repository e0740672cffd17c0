/* SPDX-License-Identifier: BSD-2-Clause */
/* One queue of a network, in the hands of a test. */
#include "net_stack.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FRAMES 512u

static struct enlh_net_frame frames[FRAMES];
static uint32_t next_frame;
static struct net_stack *current;

void
net_stack_begin(struct net_stack *stack)
{
    memset(stack, 0, sizeof(*stack));
    fake_boot(&stack->f, 1);
    stack->bell = eventfd(0, EFD_NONBLOCK);
    stack->fd = -1;
    current = stack;
}

void
net_stack_open(struct net_stack *stack)
{
    const struct enlh_wake wake = {.fd = stack->bell};

    assert_int_equal(stack->net.ops->queue_open(stack->net.backend, 0, stack->f.partition,
                                                &wake, &stack->queue, &stack->fd),
                     0);
}

void
net_stack_end(struct net_stack *stack)
{
    stack->net.ops->cancel(stack->queue);
    stack->net.ops->reap(stack->queue);
    stack->net.ops->queue_close(stack->net.backend, stack->queue);
    enlb_net_destroy(&stack->net);
    close(stack->bell);
    fake_fini(&stack->f);
}

static void
done(struct enlh_net_frame *frame)
{
    (void)frame;
    current->done++;
}

int
net_stack_send(struct net_stack *stack, uint32_t len, uint8_t first)
{
    struct enlh_net_frame *frame = &frames[next_frame++ % FRAMES];
    int result;

    *frame = (struct enlh_net_frame){.len = len, .head_len = len, .done = done};
    for (uint32_t i = 0; i < len; i++)
        frame->head[i] = (uint8_t)(first + i);
    result = stack->net.ops->transmit(stack->queue, frame);
    stack->net.ops->kick(stack->queue);
    return result;
}

void
net_stack_wait(struct net_stack *stack)
{
    struct pollfd fds[2] = {{.fd = stack->bell, .events = POLLIN},
                            {.fd = stack->fd, .events = POLLIN}};
    uint64_t count;

    assert_true(poll(fds, 2, 30000) > 0);
    (void)!read(stack->bell, &count, sizeof(count));
}

uint32_t
net_stack_receive(struct net_stack *stack, bool wait, struct enlh_net_received *frame)
{
    const struct enlh_span spans[2] = {{.offset = 0x10000, .len = 1000},
                                       {.offset = 0x103e8, .len = 1000}};
    const struct enlh_net_piece piece = {.spans = spans, .span_count = 2, .len = 2000};

    while (!stack->net.ops->receive(stack->queue, &piece, 1, frame, 1)) {
        if (!wait)
            return 0;
        net_stack_wait(stack);
    }
    return frame->len;
}
