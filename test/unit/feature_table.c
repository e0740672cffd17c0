/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of enlightenments: names, needs, presets, and what may never be announced. */
#include "core_rig.h"

#include "enlight/abi/cpuid.h"
#include "host/core/feature.h"

static void
feature_table_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENLH_F_COUNT; i++) {
        const struct enlh_feature_info *info = enlh_feature_at(i);

        assert_non_null(info);
        assert_int_equal(info->feature, i);
        assert_non_null(info->name);
        assert_non_null(info->summary);
        assert_int_equal(info->needs & ENLH_F_BIT(i), 0);
        assert_ptr_equal(enlh_feature_find(info->name), info);
        if (info->alias != NULL)
            assert_ptr_equal(enlh_feature_find(info->alias), info);
    }
    assert_null(enlh_feature_at(ENLH_F_COUNT));
}

static void
feature_is_found_by_every_spelling(void **state)
{
    (void)state;
    assert_int_equal(enlh_feature_find("stimer-direct")->feature, ENLH_F_STIMER_DIRECT);
    assert_int_equal(enlh_feature_find("stimer_direct")->feature, ENLH_F_STIMER_DIRECT);
    assert_int_equal(enlh_feature_find("hv-time")->feature, ENLH_F_TIME);
    assert_int_equal(enlh_feature_find("hv_time")->feature, ENLH_F_TIME);
    assert_int_equal(enlh_feature_find("hypervclock")->feature, ENLH_F_TIME);
    assert_int_equal(enlh_feature_find("avic")->feature, ENLH_F_NO_AUTO_EOI);
    assert_int_equal(enlh_feature_find("no-auto-eoi")->feature, ENLH_F_NO_AUTO_EOI);
    assert_true(enlh_feature_find("spinlocks")->takes_value);
    assert_null(enlh_feature_find("stimer-direct-not"));
    assert_null(enlh_feature_find("stime"));
    assert_null(enlh_feature_find("hv-"));
    assert_null(enlh_feature_find("h"));
    assert_null(enlh_feature_find(""));
}

static void
feature_presets_meet_their_own_needs(void **state)
{
    static const char *const name[] = {"none", "portable", "linux", "windows", "max"};
    enum enlh_feature which, lacks;

    (void)state;
    for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
        struct enlh_features features;

        assert_int_equal(enlh_features_preset(name[i], &features), 0);
        assert_int_equal(enlh_features_check(&features, &which, &lacks), 0);
    }
}

static void
feature_preset_contents(void **state)
{
    struct enlh_features features;

    (void)state;
    assert_int_equal(enlh_features_preset("none", &features), 0);
    assert_int_equal(features.set, 0);
    assert_int_equal(enlh_features_preset("portable", &features), 0);
    assert_true(enlh_feature_on(&features, ENLH_F_SYNIC));
    assert_true(enlh_feature_on(&features, ENLH_F_NO_AUTO_EOI));
    assert_false(enlh_feature_on(&features, ENLH_F_TLBFLUSH));
    assert_false(enlh_feature_on(&features, ENLH_F_IPI));
    assert_int_equal(enlh_features_preset("linux", &features), 0);
    assert_true(enlh_feature_on(&features, ENLH_F_TLBFLUSH));
    assert_true(enlh_feature_on(&features, ENLH_F_IPI));
    assert_false(enlh_feature_on(&features, ENLH_F_TSC_INVARIANT));
    assert_int_equal(enlh_features_preset("max", &features), 0);
    assert_true(enlh_feature_on(&features, ENLH_F_IPI));
    assert_false(enlh_feature_on(&features, ENLH_F_KVM_LEAVES));
    assert_err(enlh_features_preset("most", &features), ENL_E_NOENT);
    assert_err(enlh_features_preset("linux2", &features), ENL_E_NOENT);
}

static void
feature_check_names_what_is_missing(void **state)
{
    struct enlh_features features;
    enum enlh_feature which, lacks;

    (void)state;
    assert_int_equal(enlh_features_preset("linux", &features), 0);
    features.set &= ~(ENLH_F_BIT(ENLH_F_SYNIC));
    assert_err(enlh_features_check(&features, &which, &lacks), ENL_E_INVAL);
    assert_int_equal(which, ENLH_F_STIMER);
    assert_int_equal(lacks, ENLH_F_SYNIC);
    features.set = ENLH_F_BIT(ENLH_F_CRASH);
    assert_err(enlh_features_check(&features, &which, &lacks), ENL_E_INVAL);
    assert_int_equal(which, ENLH_F_CRASH);
    assert_int_equal(lacks, ENLH_F_BASE);
}

/* C28 to C31: a guest that sees one of these calls what nobody answers. */
static void
feature_bits_never_hold_what_is_not_answered(void **state)
{
    const struct enlh_features all = {.set = ENLH_F_BIT(ENLH_F_COUNT) - 1};
    struct enlh_feature_bits bits = enlh_feature_bits(&all);

    (void)state;
    assert_int_equal(bits.privileges & ENL_PRIV_CPU_MANAGEMENT, 0);
    assert_int_equal(bits.privileges & ENL_PRIV_PARTITION_ID, 0);
    assert_int_equal(bits.privileges & ENL_PRIV_GUEST_IDLE, 0);
    assert_int_equal(bits.privileges & (UINT64_C(1) << 52), 0); /* extended hypercalls */
    assert_int_equal(bits.privileges & (UINT64_C(1) << 32), 0); /* create partitions */
    assert_int_equal(bits.misc & (ENL_FEAT_GUEST_IDLE | ENL_FEAT_XMM_OUTPUT), 0);
    assert_int_equal(bits.hints & ENL_HINT_NESTED, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feature_table_is_whole),
        cmocka_unit_test(feature_is_found_by_every_spelling),
        cmocka_unit_test(feature_presets_meet_their_own_needs),
        cmocka_unit_test(feature_preset_contents),
        cmocka_unit_test(feature_check_names_what_is_missing),
        cmocka_unit_test(feature_bits_never_hold_what_is_not_answered),
    };

    (void)rig_boot;
    (void)rig_fini;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
