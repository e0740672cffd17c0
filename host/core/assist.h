/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/assist.h - the VP assist page, and the APIC by synthetic register */
#ifndef HOST_CORE_ASSIST_H
#define HOST_CORE_ASSIST_H

#include "host/core/overlay.h"

struct enlh_assist {
    struct enlh_overlay page; /* VP_ASSIST_PAGE */
};

int enlh_assist_init(struct enlh_vp *vp);
void enlh_assist_reset(struct enlh_vp *vp);
void enlh_assist_fini(struct enlh_vp *vp);
int enlh_assist_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value);
int enlh_assist_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value);

struct enlh_assist_state {
    struct enlh_overlay_state page;
};
void enlh_assist_save(struct enlh_vp *vp, struct enlh_assist_state *out);
int enlh_assist_restore(struct enlh_vp *vp, const struct enlh_assist_state *state);

#endif
