/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/hv.h - --hv LIST: which enlightenments the guest sees
 *
 * A list of a preset, names, -names and name=value, applied from left to right to the
 * preset "linux". What a preset holds and this host or engine cannot serve is left out;
 * what the user asked for by name must be served.
 */
#ifndef ENLIGHT_TOOL_HV_H
#define ENLIGHT_TOOL_HV_H

#include "enlight/host/feature.h"
#include "enlight/kvm/engine.h"

struct enlt_hv {
    struct enlh_features features; /* preset and names together */
    uint64_t asked;                /* ENLH_F_BIT() of what was named */
    struct enlh_config identity;   /* vendor and version fields; the rest unused */
};

void enlt_hv_defaults(struct enlt_hv *hv);

/* Apply one --hv LIST. Returns 0, or an exit status after a sentence. */
int enlt_hv_parse(struct enlt_hv *hv, const char *list);

/*
 * Leave out what this engine cannot serve or serves at a loss, and check the rest.
 * caps NULL: nothing is known of the host, only the needs are checked.
 */
int enlt_hv_resolve(struct enlt_hv *hv, const struct enlk_caps *caps,
                    enum enlk_kind engine);

/* "--hv ?": every name, what it needs, and who serves it here. */
void enlt_hv_list(const struct enlk_caps *caps);

/* The names that are on, in one line; at most size bytes with the end. */
void enlt_hv_names(const struct enlh_features *features, char *text, size_t size);

#endif
