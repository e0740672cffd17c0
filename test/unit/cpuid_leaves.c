/* SPDX-License-Identifier: BSD-2-Clause */
/* The leaves that a guest reads: C02 to C13, C18, C20, C22, C25, C27 to C35. */
#include "core_rig.h"

#include "enlight/abi/cpuid.h"
#include "enlight/host/x86_64.h"

static struct enlh_cpuid leaf[16];
static uint32_t leaf_count;

/* A partition with these features, and its leaves. */
static void
start(uint64_t set)
{
    fake_init(&f);
    f.config.features.set = set;
    f.config.features.spin_retries = 0x1234;
    f.config.physical_address_bits = 46;
    f.config.build = 20348;
    f.config.major = 10;
    f.config.minor = 3;
    f.config.service_pack = 5;
    f.config.branch = 7;
    f.config.service_number = 0x1020304;
    f.config.nested_eax = 0x00380401;
    f.config.nested_ebx = 1;
    fake_start(&f);
    memset(leaf, 0xa5, sizeof(leaf));
    leaf_count = enlh_x64_cpuid(f.partition, leaf);
}

static const struct enlh_cpuid *
at(uint32_t number)
{
    for (uint32_t i = 0; i < leaf_count; i++) {
        if (leaf[i].leaf == number)
            return &leaf[i];
    }
    return NULL;
}

static uint64_t
preset(const char *name)
{
    struct enlh_features features;

    assert_int_equal(enlh_features_preset(name, &features), 0);
    return features.set;
}

static void
cpuid_none_shows_no_leaf(void **state)
{
    (void)state;
    start(0);
    assert_int_equal(leaf_count, 0);
    fake_fini(&f);
}

static void
cpuid_shows_microsoft_hv_and_its_interface(void **state)
{
    (void)state;
    start(preset("portable"));
    assert_int_equal(at(0x40000000)->eax, 0x40000005);
    assert_memory_equal(&at(0x40000000)->ebx, "Microsoft Hv", 12);
    assert_int_equal(at(0x40000001)->eax, 0x31237648);
    assert_int_equal(leaf_count, 6);
    fake_fini(&f);
}

/* C22: nothing of KVM's is ever among them. */
static void
cpuid_leaves_ascend_and_stay_ours(void **state)
{
    (void)state;
    start(preset("max") | ENLH_F_BIT(ENLH_F_KVM_LEAVES));
    for (uint32_t i = 0; i < leaf_count; i++) {
        assert_in_range(leaf[i].leaf, 0x40000000, 0x400000ff);
        if (i > 0)
            assert_true(leaf[i].leaf > leaf[i - 1].leaf);
    }
    fake_fini(&f);
}

static void
cpuid_version_has_every_field(void **state)
{
    const struct enlh_cpuid *version;

    (void)state;
    start(preset("portable"));
    version = at(0x40000002);
    assert_int_equal(version->eax, 20348);
    assert_int_equal(version->ebx, 10 << 16 | 3);
    assert_int_equal(version->ecx, 5);
    assert_int_equal(version->edx, 0x07020304);
    fake_fini(&f);
}

static void
cpuid_linux_privileges(void **state)
{
    const struct enlh_cpuid *features;

    (void)state;
    start(preset("portable"));
    features = at(0x40000003);
    /* Runtime, reference counter, SynIC, timers, hypercall, VP index, reset, TSC page,
     * frequencies; no APIC registers (bit 4), no guest idle (10), no TSC control (15). */
    assert_int_equal(features->eax, 0x00000aef);
    /* Post messages, signal events, and nothing else: C28, C29, C31. */
    assert_int_equal(features->ebx, 0x00000030);
    assert_int_equal(features->ecx, 0);
    /* Frequencies, crash, direct timers. */
    assert_int_equal(features->edx, 1u << 8 | 1u << 10 | 1u << 19);
    fake_fini(&f);
}

static void
cpuid_frequencies_need_both_bits(void **state)
{
    (void)state;
    start(preset("portable"));
    assert_int_equal(at(0x40000003)->eax & ENL_PRIV_FREQUENCY, ENL_PRIV_FREQUENCY);
    assert_int_equal(at(0x40000003)->edx & ENL_FEAT_FREQUENCY, ENL_FEAT_FREQUENCY);
    fake_fini(&f);
    start(preset("portable") & ~ENLH_F_BIT(ENLH_F_FREQUENCIES));
    assert_int_equal(at(0x40000003)->eax & ENL_PRIV_FREQUENCY, 0);
    assert_int_equal(at(0x40000003)->edx & ENL_FEAT_FREQUENCY, 0);
    fake_fini(&f);
}

static void
cpuid_hints_follow_the_features(void **state)
{
    const struct enlh_cpuid *hints;

    (void)state;
    start(preset("portable"));
    hints = at(0x40000004);
    assert_int_equal(hints->eax, 1u << 5 | 1u << 9); /* relaxed, no AutoEOI */
    assert_int_equal(hints->ebx, 0xffffffff);        /* no spinlocks feature: never */
    assert_int_equal(hints->ecx, 46);
    fake_fini(&f);
    start(preset("windows"));
    hints = at(0x40000004);
    assert_int_equal(hints->eax & (1u << 2 | 1u << 10 | 1u << 11),
                     1u << 2 | 1u << 10 | 1u << 11);
    assert_int_equal(hints->ebx, 0x1234);
    fake_fini(&f);
    start(preset("portable") & ~ENLH_F_BIT(ENLH_F_NO_AUTO_EOI));
    assert_int_equal(at(0x40000004)->eax, 1u << 5);
    fake_fini(&f);
}

static void
cpuid_announces_only_what_the_embedder_can(void **state)
{
    (void)state;
    start(preset("windows"));
    /* The fake has no apic_reg: no APIC registers, no hint to use them. */
    assert_int_equal(at(0x40000003)->eax & ENL_PRIV_APIC, 0);
    assert_int_equal(at(0x40000004)->eax & ENL_HINT_APIC_MSRS, 0);
    assert_int_equal(at(0x40000003)->edx & ENL_FEAT_EXT_GVA_RANGES,
                     ENL_FEAT_EXT_GVA_RANGES);
    fake_fini(&f);

    fake_init(&f);
    f.ops.flush_tlb = NULL;
    f.ops.vp_runtime_100ns = NULL;
    fake_start(&f);
    leaf_count = enlh_x64_cpuid(f.partition, leaf);
    assert_int_equal(at(0x40000004)->eax & ENL_HINT_REMOTE_FLUSH, 0);
    assert_int_equal(at(0x40000003)->edx & ENL_FEAT_EXT_GVA_RANGES, 0);
    assert_int_equal(at(0x40000003)->eax & ENL_PRIV_VP_RUNTIME, 0);
    fake_fini(&f);
}

static void
cpuid_tsc_invariant_is_a_profile_of_its_own(void **state)
{
    (void)state;
    start(preset("portable"));
    assert_int_equal(at(0x40000003)->eax & ENL_PRIV_TSC_INVARIANT, 0);
    fake_fini(&f);
    start(preset("portable") | ENLH_F_BIT(ENLH_F_TSC_INVARIANT));
    assert_int_equal(at(0x40000003)->eax & ENL_PRIV_TSC_INVARIANT,
                     ENL_PRIV_TSC_INVARIANT);
    fake_fini(&f);
}

static void
cpuid_limits_default_to_64_vps(void **state)
{
    (void)state;
    start(preset("portable"));
    assert_int_equal(at(0x40000005)->eax, 64);
    assert_int_equal(at(0x40000005)->ebx, 64);
    fake_fini(&f);

    fake_init(&f);
    f.config.vp_count = 100;
    fake_start(&f);
    leaf_count = enlh_x64_cpuid(f.partition, leaf);
    assert_int_equal(at(0x40000005)->eax, 100);
    fake_fini(&f);
}

static void
cpuid_nested_raises_the_largest_leaf(void **state)
{
    (void)state;
    fake_init(&f);
    fake_use_below(&f);
    f.config.features.set |= ENLH_F_BIT(ENLH_F_NESTED);
    f.config.nested_eax = 0x00380401;
    f.config.nested_ebx = 1;
    fake_start(&f);
    leaf_count = enlh_x64_cpuid(f.partition, leaf);
    assert_int_equal(at(0x40000000)->eax, 0x4000000a);
    assert_int_equal(at(0x4000000a)->eax, 0x00380401);
    assert_int_equal(at(0x4000000a)->ebx, 1);
    assert_int_equal(at(0x40000007)->eax, 0);
    assert_non_null(at(0x40000008));
    assert_true(leaf_count <= 16);
    fake_fini(&f);
}

static void
cpuid_stack_interface_stands_apart(void **state)
{
    (void)state;
    start(preset("portable") | ENLH_F_BIT(ENLH_F_STACK_INTERFACE));
    assert_int_equal(at(0x40000000)->eax, 0x40000005);
    assert_int_equal(at(0x40000080)->eax, 0x40000082);
    assert_int_equal(at(0x40000081)->eax, 0x31235356);
    assert_int_equal(at(0x40000082)->eax, ENL_VS_EXTENDED_IOAPIC);
    fake_fini(&f);
}

static void
cpuid_vendor_can_be_another(void **state)
{
    (void)state;
    fake_init(&f);
    memcpy(f.config.vendor, "TwelveChars!", 13);
    fake_start(&f);
    leaf_count = enlh_x64_cpuid(f.partition, leaf);
    assert_memory_equal(&at(0x40000000)->ebx, "TwelveChars!", 12);
    assert_int_equal(at(0x40000001)->eax, 0x31237648);
    fake_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpuid_none_shows_no_leaf),
        cmocka_unit_test(cpuid_shows_microsoft_hv_and_its_interface),
        cmocka_unit_test(cpuid_leaves_ascend_and_stay_ours),
        cmocka_unit_test(cpuid_version_has_every_field),
        cmocka_unit_test(cpuid_linux_privileges),
        cmocka_unit_test(cpuid_frequencies_need_both_bits),
        cmocka_unit_test(cpuid_hints_follow_the_features),
        cmocka_unit_test(cpuid_announces_only_what_the_embedder_can),
        cmocka_unit_test(cpuid_tsc_invariant_is_a_profile_of_its_own),
        cmocka_unit_test(cpuid_limits_default_to_64_vps),
        cmocka_unit_test(cpuid_nested_raises_the_largest_leaf),
        cmocka_unit_test(cpuid_stack_interface_stands_apart),
        cmocka_unit_test(cpuid_vendor_can_be_another),
    };

    (void)rig_boot;
    (void)rig_fini;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
