/* SPDX-License-Identifier: BSD-2-Clause */
/* B06, B13: the leaves of each processor: its number, its neighbours, nothing nested. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cpu.h"

/* In place of the C library's: what KVM_GET_SUPPORTED_CPUID answers. */
int ioctl(int fd, unsigned long request, ...);

int
ioctl(int fd, unsigned long request, ...)
{
    static const struct kvm_cpuid_entry2 offered[] = {
        {.function = 0, .eax = 0x1F},
        {.function = 1, .ebx = 0x12345678, .ecx = 1u << 5, .edx = 0},
        {.function = 4, .index = 0, .eax = 0xFC000121},
        {.function = 4, .index = 3, .eax = 0xFC000163},
        {.function = 4, .index = 4, .eax = 0},
        {.function = 0xB, .index = 0},
        {.function = 0xB, .index = 1},
        {.function = 0xB, .index = 2},
        {.function = 0x80000001, .ecx = 1u << 2},
        {.function = 0x80000008, .eax = 0x3030, .ecx = 0xFFFF},
        {.function = 0x8000001E, .eax = 99, .ebx = 99, .ecx = 99},
    };
    struct kvm_cpuid2 *to;
    va_list args;

    (void)fd;
    if (request != KVM_GET_SUPPORTED_CPUID)
        return -1;
    va_start(args, request);
    to = va_arg(args, struct kvm_cpuid2 *);
    va_end(args);
    assert_true(to->nent >= sizeof(offered) / sizeof(offered[0]));
    to->nent = sizeof(offered) / sizeof(offered[0]);
    memcpy(to->entries, offered, sizeof(offered));
    return 0;
}

static const struct kvm_cpuid_entry2 *
leaf(const struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index)
{
    for (uint32_t i = 0; i < cpuid->nent; i++) {
        if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
            return &cpuid->entries[i];
    }
    fail();
    return NULL;
}

static void
cpuid_says_which_processor_it_is(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        struct kvm_cpuid2 *cpuid = enlm_cpu_cpuid(0, i, 5);

        assert_int_equal(leaf(cpuid, 1, 0)->ebx >> 24, i);
        assert_int_equal(leaf(cpuid, 1, 0)->ebx >> 16 & 0xFF, 5);
        assert_int_equal(leaf(cpuid, 1, 0)->ebx & 0xFFFF, 0x5678);
        assert_int_equal(leaf(cpuid, 0xB, 0)->edx, i);
        assert_int_equal(leaf(cpuid, 0xB, 1)->edx, i);
        assert_int_equal(leaf(cpuid, 0x8000001E, 0)->eax, i);
        free(cpuid);
    }
}

static void
cpuid_topology_is_cores_of_one_package(void **state)
{
    struct kvm_cpuid2 *cpuid = enlm_cpu_cpuid(0, 0, 5);

    (void)state;
    assert_int_equal(leaf(cpuid, 0xB, 0)->ebx, 1);
    assert_int_equal(leaf(cpuid, 0xB, 0)->ecx, 0x100);
    assert_int_equal(leaf(cpuid, 0xB, 1)->eax, 3); /* bits of five processors */
    assert_int_equal(leaf(cpuid, 0xB, 1)->ebx, 5);
    assert_int_equal(leaf(cpuid, 0xB, 1)->ecx, 0x201);
    assert_int_equal(leaf(cpuid, 0xB, 2)->ebx, 0);
    assert_int_equal(leaf(cpuid, 0x80000008, 0)->ecx, 4 | 3 << 12);
    free(cpuid);
}

static void
cpuid_caches_are_shared_from_level_3_on(void **state)
{
    struct kvm_cpuid2 *cpuid = enlm_cpu_cpuid(0, 0, 4);

    (void)state;
    assert_int_equal(leaf(cpuid, 4, 0)->eax >> 14 & 0xFFF, 0);
    assert_int_equal(leaf(cpuid, 4, 3)->eax >> 14 & 0xFFF, 3);
    assert_int_equal(leaf(cpuid, 4, 3)->eax & 0xFF, 0x63);
    assert_int_equal(leaf(cpuid, 4, 4)->eax, 0);
    free(cpuid);
}

static void
cpuid_hides_nested_virtualization(void **state)
{
    struct kvm_cpuid2 *cpuid = enlm_cpu_cpuid(0, 0, 1);

    (void)state;
    assert_int_equal(leaf(cpuid, 1, 0)->ecx & 1u << 5, 0);
    assert_int_equal(leaf(cpuid, 0x80000001, 0)->ecx & 1u << 2, 0);
    assert_true(leaf(cpuid, 1, 0)->ecx & 1u << 21); /* x2APIC */
    assert_int_equal(leaf(cpuid, 1, 0)->edx & 1u << 28, 0);
    assert_int_equal(enlm_cpu_address_bits(cpuid), 0x30);
    free(cpuid);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpuid_says_which_processor_it_is),
        cmocka_unit_test(cpuid_topology_is_cores_of_one_package),
        cmocka_unit_test(cpuid_caches_are_shared_from_level_3_on),
        cmocka_unit_test(cpuid_hides_nested_virtualization),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
