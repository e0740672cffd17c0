/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/fuzz/rig_ic.h - the guest of one integration service: answers of any shape
 *
 * What the host sends is checked: well framed, of the service's type, no longer than its
 * frame says. The input decides when it is answered, and how.
 */
#ifndef TEST_FUZZ_RIG_IC_H
#define TEST_FUZZ_RIG_IC_H

#include "enlight/abi/ic.h"
#include "rig_bus.h"

#define RIG_IC_LEN 8192u

struct rig_ic {
    struct rig_guest guest;
    uint16_t type;            /* ENL_IC_, of the service */
    uint8_t last[RIG_IC_LEN]; /* what the host sent last */
    uint32_t last_len;
    /* (optional) What a guest would fill in: the body, without what spoils it. */
    void (*fill)(struct rig_input *in, uint8_t *body, uint32_t len);
};

/* Take up to limit messages. */
void rig_ic_receive(struct rig_bus *bus, struct rig_ic *ic, uint32_t limit);
/*
 * Turn the last message round, as a guest does, and then spoil it a little. Returns true
 * when it was sent as it should be, and says success.
 */
bool rig_ic_answer(struct rig_bus *bus, struct rig_ic *ic, bool spoil);
void rig_ic_send_anything(struct rig_bus *bus, struct rig_ic *ic);
/* The channel of relid place + 1. */
void rig_ic_open_close(struct rig_bus *bus, struct rig_ic *ic, uint32_t place);

#endif
