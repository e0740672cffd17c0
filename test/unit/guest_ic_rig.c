/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/guest_ic_rig.c - the host of one integration service of the guest */
#include "guest_ic_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

uint8_t ic_answer[ENLG_IC_BUFFER_LEN];
static uint32_t put_len;

uint8_t *
ic_rings(void)
{
    return rig_page(20);
}

static struct enl_ring_view
view(uint32_t which)
{
    uint8_t *ring = ic_rings() + which * ENLG_IC_RING_LEN;

    return (struct enl_ring_view){.header = (struct enl_ring_header *)ring,
                                  .base = ring + ENL_PAGE_SIZE,
                                  .size = ENLG_IC_RING_LEN - ENL_PAGE_SIZE};
}

void
ic_opens(struct enlg_ic *ic)
{
    struct enl_vmbus_gpadl_header header;
    struct enl_ring_view v;

    assert_int_equal(enlg_ic_poll(ic), 0); /* not open: nothing */
    bus_posted(ENL_VMBUS_GPADL_HEADER, &header, sizeof(header));
    bus.ring_gpadl = header.gpadl;
    bus_say_created(BUS_RELID, header.gpadl, 0);
    v = view(0);
    assert_int_equal(enl_ring_consumer_init(&bus.from_guest, &v, true), 0);
    v = view(1);
    assert_int_equal(enl_ring_producer_init(&bus.to_guest, &v, true), 0);
    bus_say_opened(BUS_RELID, 0);
}

void
ic_ask(uint16_t type, const void *body, uint16_t len)
{
    struct enl_ic_message head = {
        .pipe = {ENL_PIPE_DATA, (uint32_t)sizeof(struct enl_ic_header) + len},
        .ic = {.message_type = type,
               .size = len,
               .transaction_id = 9,
               .flags = ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_REQUEST},
    };
    struct enl_ring_piece pieces[2] = {{&head, sizeof(head)}, {body, len}};

    put_len = (uint32_t)sizeof(head) + len;
    assert_int_equal(
        enl_ring_put(&bus.to_guest, ENL_PACKET_INBAND, 0, 55, pieces, len ? 2 : 1, 0), 0);
    (void)enl_ring_publish(&bus.to_guest);
}

uint32_t
ic_answered(void)
{
    struct enl_ring_packet p;
    struct enl_ic_message head;

    assert_int_equal(enl_ring_get(&bus.from_guest, &p), 1);
    assert_int_equal(p.type, ENL_PACKET_INBAND);
    assert_int_equal(p.flags, 0);
    assert_int_equal(p.transaction_id, 55);
    assert_int_equal(p.payload_len, (put_len + 7) & ~7u);
    assert_int_equal(enl_ring_copy(&bus.from_guest, &p, 16, &head, sizeof(head)), 0);
    assert_int_equal(enl_ring_copy(&bus.from_guest, &p, 16 + sizeof(head), ic_answer,
                                   p.payload_len - (uint32_t)sizeof(head)),
                     0);
    (void)enl_ring_release(&bus.from_guest);
    assert_int_equal(head.ic.flags, ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_RESPONSE);
    assert_int_equal(head.ic.transaction_id, 9);
    return head.ic.status;
}

uint32_t
ic_negotiate(struct enlg_ic *ic, const struct ic_negotiation *n)
{
    ic_ask(ENL_IC_NEGOTIATE, n, sizeof(*n));
    assert_int_equal(enlg_ic_poll(ic), 1);
    return ic_answered();
}

void
ic_agree(struct enlg_ic *ic, uint16_t major, uint16_t minor)
{
    struct ic_negotiation n = {{1, 1, 0}, {{3, 0}, {major, minor}}};

    assert_int_equal(ic_negotiate(ic, &n), ENL_IC_STATUS_SUCCESS);
    assert_int_equal(enlg_ic_version(ic), (uint32_t)major << 16 | minor);
}
