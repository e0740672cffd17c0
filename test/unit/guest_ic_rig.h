/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_ic_rig.h - the host of one integration service of the guest
 *
 * On top of guest_bus_rig.h: the service's rings are open, the host asks and reads answers.
 */
#ifndef TEST_UNIT_GUEST_IC_RIG_H
#define TEST_UNIT_GUEST_IC_RIG_H

#include "enlight/abi/ic.h"
#include "enlight/guest/ic.h"
#include "guest_bus_rig.h"

/* The body of the last answer. */
extern uint8_t ic_answer[ENLG_IC_BUFFER_LEN];

/* The rings' memory: what a service is started with. */
uint8_t *ic_rings(void);
/* A service has been started: the host takes its rings and says that it is open. */
void ic_opens(struct enlg_ic *ic);
/* One message of the host. */
void ic_ask(uint16_t type, const void *body, uint16_t len);
/* The guest's answer: its body is in ic_answer. Returns the status. */
uint32_t ic_answered(void);

struct ic_negotiation {
    struct enl_ic_negotiate head;
    struct enl_ic_version list[6];
};
/* Ask, poll, and return the answer's status. */
uint32_t ic_negotiate(struct enlg_ic *ic, const struct ic_negotiation *negotiation);
/* Framework 3.0 and this version, and it must work. */
void ic_agree(struct enlg_ic *ic, uint16_t major, uint16_t minor);

#endif
