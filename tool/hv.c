/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/hv.c - --hv LIST and --hv ?
 *
 * Run by the user's words. The names, their needs and their presets are the library's
 * (enlight/host/feature.h); what the host can do is the engine's word. Here is only the
 * list's grammar and the sentences. Tests: test/unit/tool_options.c.
 */
#include "tool/hv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/option.h"
#include "tool/status.h"

void
enlt_hv_defaults(struct enlt_hv *hv)
{
    memset(hv, 0, sizeof(*hv));
    enlh_config_defaults(&hv->identity);
    (void)!enlh_features_preset("linux", &hv->features);
}

/* "vendor-id" and "version-id-*": values of CPUID, no features. Returns 1 when it was one. */
static int
parse_identity(struct enlt_hv *hv, const char *key, const char *value)
{
    const struct {
        const char *name;
        uint32_t *field;
    } fields[] = {
        {"version-id-build", &hv->identity.build},
        {"version-id-major", &hv->identity.major},
        {"version-id-minor", &hv->identity.minor},
        {"version-id-spack", &hv->identity.service_pack},
        {"version-id-sbranch", &hv->identity.branch},
        {"version-id-snumber", &hv->identity.service_number},
    };
    uint64_t number;

    if (strcmp(key, "vendor-id") == 0) {
        if (strlen(value) != 12)
            return enlt_fail(ENLT_USAGE,
                             "--hv vendor-id takes 12 characters, '%s' has %zu.", value,
                             strlen(value));
        memcpy(hv->identity.vendor, value, 13);
        return 1;
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(key, fields[i].name) != 0)
            continue;
        int status = enlt_parse_number("hv", value, UINT32_MAX, &number);
        if (status)
            return status;
        *fields[i].field = (uint32_t)number;
        return 1;
    }
    return 0;
}

static int
set_feature(struct enlt_hv *hv, const struct enlh_feature_info *info,
            const struct enlt_pairs *pair)
{
    uint64_t number;

    if (pair->has_value && !info->takes_value) {
        bool on;
        int status = enlt_parse_switch("hv", pair->value, &on);
        if (status)
            return status;
        if (!on) {
            hv->features.set &= ~ENLH_F_BIT(info->feature);
            hv->asked &= ~ENLH_F_BIT(info->feature);
            return 0;
        }
    } else if (pair->has_value) {
        int status = enlt_parse_number("hv", pair->value, UINT32_MAX, &number);
        if (status)
            return status;
        hv->features.spin_retries = (uint32_t)number;
    }
    hv->features.set |= ENLH_F_BIT(info->feature);
    hv->asked |= ENLH_F_BIT(info->feature);
    return 0;
}

static int
parse_item(struct enlt_hv *hv, const struct enlt_pairs *pair)
{
    const char *name = pair->key;
    bool off = name[0] == '-';
    struct enlh_features preset;
    const char *bare =
        strncmp(name, "hv-", 3) == 0 || strncmp(name, "hv_", 3) == 0 ? name + 3 : name;

    if (!off && !pair->has_value && enlh_features_preset(bare, &preset) == 0) {
        hv->features = preset;
        hv->asked = 0;
        return 0;
    }
    if (!off && pair->has_value) {
        int status = parse_identity(hv, bare, pair->value);
        if (status)
            return status == 1 ? 0 : status;
    }
    const struct enlh_feature_info *info = enlh_feature_find(off ? name + 1 : name);
    if (!info)
        return enlt_fail(ENLT_USAGE,
                         "--hv: '%s' is no enlightenment and no preset; "
                         "'--hv ?' lists them all.",
                         name);
    if (!off)
        return set_feature(hv, info, pair);
    hv->features.set &= ~ENLH_F_BIT(info->feature);
    hv->asked &= ~ENLH_F_BIT(info->feature);
    return 0;
}

int
enlt_hv_parse(struct enlt_hv *hv, const char *list)
{
    struct enlt_pairs pair;
    int more;

    enlt_pairs_start(&pair, list);
    while ((more = enlt_pairs_next(&pair, "hv")) == 1) {
        int status = parse_item(hv, &pair);
        if (status)
            return status;
    }
    return more;
}

static const char *
name_of(enum enlh_feature feature)
{
    const struct enlh_feature_info *info;

    for (size_t i = 0; (info = enlh_feature_at(i)); i++) {
        if (info->feature == feature)
            return info->name;
    }
    return "?";
}

static const char *
first_name(uint64_t set)
{
    return name_of((enum enlh_feature)__builtin_ctzll(set));
}

int
enlt_hv_resolve(struct enlt_hv *hv, const struct enlk_caps *caps, enum enlk_kind engine)
{
    enum enlh_feature which, lacks;

    if (caps) {
        uint64_t served = enlk_caps_features(caps, engine);
        uint64_t lost = hv->asked & ~served;
        if (lost)
            return enlt_fail(ENLT_NO_HOST,
                             "--hv %s: the %s engine cannot serve it on this host; "
                             "'--hv ?' tells who can.",
                             first_name(lost), engine == ENLK_KERNEL ? "kernel" : "user");
        hv->features.set &= served & (~enlk_caps_costly(caps, engine) | hv->asked);
    }
    if (enlh_features_check(&hv->features, &which, &lacks) == 0)
        return 0;
    return enlt_fail(ENLT_USAGE, "--hv %s needs %s, which is off: add '%s' to the list.",
                     name_of(which), name_of(lacks), name_of(lacks));
}

static const char *
served_by(const struct enlk_caps *caps, uint64_t bit)
{
    if (!caps)
        return "?";
    bool kernel = enlk_caps_features(caps, ENLK_KERNEL) & bit;
    bool user = enlk_caps_features(caps, ENLK_USER) & bit;

    if (kernel && user)
        return enlk_caps_costly(caps, ENLK_USER) & bit ? "kernel, user (costly)"
                                                       : "kernel, user";
    return kernel ? "kernel" : user ? "user" : "no one here";
}

void
enlt_hv_list(const struct enlk_caps *caps)
{
    const struct enlh_feature_info *info;

    printf("%-22s %-22s %-40s %s\n", "NAME", "SERVED BY", "WHAT IT IS", "NEEDS");
    for (size_t i = 0; (info = enlh_feature_at(i)); i++) {
        char needs[128];
        struct enlh_features set = {.set = info->needs};

        enlt_hv_names(&set, needs, sizeof(needs));
        printf("%-22s %-22s %-40s %s\n", info->name,
               served_by(caps, ENLH_F_BIT(info->feature)), info->summary, needs);
    }
    printf("\nPresets: none, portable, linux (the default), windows, max. Values: "
           "spinlocks=N, "
           "vendor-id=TEXT,\nversion-id-build=N, -major, -minor, -spack, -sbranch, "
           "-snumber.\n");
}

void
enlt_hv_names(const struct enlh_features *features, char *text, size_t size)
{
    const struct enlh_feature_info *info;
    size_t len = 0;

    text[0] = 0;
    for (size_t i = 0; (info = enlh_feature_at(i)); i++) {
        if (!(features->set & ENLH_F_BIT(info->feature)) || len >= size)
            continue;
        int n = snprintf(text + len, size - len, "%s%s", len ? "," : "", info->name);
        len += n > 0 ? (size_t)n : 0;
    }
}
