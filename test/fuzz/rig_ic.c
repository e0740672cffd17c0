/* SPDX-License-Identifier: BSD-2-Clause */
/* test/fuzz/rig_ic.c - the guest of one integration service: answers of any shape */
#include "rig_ic.h"

#include <string.h>

#include "enlight/abi/ring.h"

static void
check_message(const uint8_t *bytes, uint32_t len, uint16_t type)
{
    struct enl_ic_message head;

    RIG_CHECK(len >= sizeof(head));
    memcpy(&head, bytes, sizeof(head));
    RIG_CHECK(head.pipe.type == ENL_PIPE_DATA && head.pipe.size <= len - 8);
    RIG_CHECK(head.ic.size == head.pipe.size - sizeof(head.ic));
    RIG_CHECK(head.ic.flags == (ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_REQUEST));
    RIG_CHECK(head.ic.message_type == ENL_IC_NEGOTIATE || head.ic.message_type == type);
    RIG_CHECK(head.ic.status == 0 && head.ic.reserved[0] == 0 &&
              head.ic.reserved[1] == 0);
}

void
rig_ic_receive(struct rig_bus *bus, struct rig_ic *ic, uint32_t limit)
{
    struct enl_ring_packet packet;
    int len;

    while (limit-- > 0 && ic->guest.open &&
           (len = rig_bus_receive(bus, &ic->guest, ic->last, sizeof(ic->last),
                                  &packet)) >= 0) {
        RIG_CHECK(packet.type == ENL_PACKET_INBAND && (uint32_t)len <= sizeof(ic->last));
        ic->last_len = (uint32_t)len;
        check_message(ic->last, ic->last_len, ic->type);
    }
}

/* The guest's choice out of what was offered; how picks which. */
static void
choose(uint8_t *bytes, uint8_t how)
{
    struct enl_ic_version versions[16];
    struct enl_ic_negotiate counts;
    uint32_t frameworks, messages;

    memcpy(&counts, bytes + sizeof(struct enl_ic_message), sizeof(counts));
    memcpy(versions, bytes + sizeof(struct enl_ic_message) + sizeof(counts),
           sizeof(versions));
    frameworks = counts.framework_count;
    messages = counts.message_count;
    if (frameworks == 0 || messages == 0 || frameworks + messages > 16)
        return;
    versions[0] = versions[(how & 3) % frameworks];
    versions[1] = versions[frameworks + (how >> 2 & 7) % messages];
    counts.framework_count = how >= 0xf8 ? 0 : 1;
    counts.message_count = how >= 0xf0 ? 0 : 1;
    memcpy(bytes + sizeof(struct enl_ic_message), &counts, sizeof(counts));
    memcpy(bytes + sizeof(struct enl_ic_message) + sizeof(counts), versions, 8);
}

/* A packet that has not the frame of the protocol costs the guest the channel. */
static void
send(struct rig_bus *bus, struct rig_ic *ic, uint16_t type, const uint8_t *bytes,
     uint32_t len)
{
    struct enl_ic_message head;
    bool framed = type == ENL_PACKET_INBAND;
    uint32_t padded = (len + 7) & ~7u;

    memcpy(&head, bytes, sizeof(head));
    framed = framed && padded >= sizeof(head) && head.pipe.type == ENL_PIPE_DATA &&
             head.pipe.size >= sizeof(head.ic) && head.pipe.size <= padded - 8 &&
             head.ic.size <= head.pipe.size - sizeof(head.ic);
    if (!rig_bus_send(bus, &ic->guest, type, 0, bytes, len) || framed)
        return;
    rig_bus_work(bus);
    RIG_CHECK(!rig_bus_works(bus, ic->guest.relid));
}

/* Turn the last message round, as a guest does, and then spoil it a little. */
bool
rig_ic_answer(struct rig_bus *bus, struct rig_ic *ic, bool spoil)
{
    struct rig_input *in = &bus->rig.in;
    struct enl_ic_message head;
    static uint8_t bytes[RIG_IC_LEN];
    uint32_t len = ic->last_len;

    if (len < sizeof(head) || !ic->guest.open)
        return false;
    memcpy(bytes, ic->last, sizeof(bytes));
    memcpy(&head, bytes, sizeof(head));
    if (head.ic.message_type == ENL_IC_NEGOTIATE)
        choose(bytes, rig_u8(in));
    else if (ic->fill)
        ic->fill(in, bytes + sizeof(head), len - (uint32_t)sizeof(head));
    head.ic.flags = ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_RESPONSE;
    head.ic.status = rig_below(in, 4) == 3 ? rig_u32(in) : 0;
    memcpy(bytes, &head, sizeof(head));
    for (uint32_t n = spoil ? 1 + rig_below(in, 3) : 0; n > 0; n--)
        bytes[rig_u8(in) % len] = rig_u8(in);
    if (spoil && rig_below(in, 4) == 3)
        len = rig_u16(in) % sizeof(bytes);
    send(bus, ic, ENL_PACKET_INBAND, bytes, len);
    return !spoil && head.ic.status == 0;
}

void
rig_ic_send_anything(struct rig_bus *bus, struct rig_ic *ic)
{
    struct rig_input *in = &bus->rig.in;
    static uint8_t bytes[RIG_IC_LEN + 104];
    uint32_t len = rig_u16(in) % sizeof(bytes);
    uint8_t type = rig_u8(in) % 16;

    memset(bytes, 0, sizeof(bytes));
    rig_bytes(in, bytes, 64);
    if (ic->guest.open)
        send(bus, ic, type == 0 ? ENL_PACKET_INBAND : type, bytes, len);
}

void
rig_ic_open_close(struct rig_bus *bus, struct rig_ic *ic, uint32_t place)
{
    if (ic->guest.open)
        rig_bus_close(bus, &ic->guest);
    else
        (void)rig_bus_open(bus, &ic->guest, place + 1, place);
    (void)rig_bus_listen(bus, 0, 64);
    ic->last_len = 0;
}
