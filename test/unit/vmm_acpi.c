/* SPDX-License-Identifier: BSD-2-Clause */
/* B01, B02, B06, B08, B13: the tables, walked as a guest walks them, and read by iasl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/acpi.h"

#define GPA UINT64_C(0xE0000)
#define LEN 0x1FFF0u

static uint8_t area[LEN];
static struct enlm_acpi_config config;

static uint32_t
u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t
u64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static const uint8_t *
at_gpa(uint64_t gpa, size_t len)
{
    assert_true(gpa >= GPA && gpa - GPA <= LEN && len <= LEN - (gpa - GPA));
    return area + (gpa - GPA);
}

static void
assert_sum(const uint8_t *table, size_t len)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + table[i]);
    assert_int_equal(sum, 0);
}

static void
build(uint32_t cpus, bool s4)
{
    config = (struct enlm_acpi_config){.cpus = cpus, .s4 = s4};
    config.layout.low_window = 0xF8000000;
    config.layout.low_window_len = 0x6C00000;
    config.layout.high_window = UINT64_C(0x140000000);
    config.layout.high_window_len = UINT64_C(0x100000000);
    memset(area, 0xEE, sizeof(area));
    assert_int_equal(enlm_acpi_build(&config, GPA, area, LEN), 0);
}

/* A table by its signature, through RSDP, XSDT and for the DSDT the FADT. */
static const uint8_t *
find(const char *signature)
{
    const uint8_t *xsdt = at_gpa(u64(area + 24), 36);
    uint32_t len = u32(xsdt + 4);

    assert_memory_equal(area, "RSD PTR ", 8);
    assert_memory_equal(xsdt, "XSDT", 4);
    assert_sum(xsdt, len);
    for (uint32_t at = 36; at + 8 <= len; at += 8) {
        const uint8_t *table = at_gpa(u64(xsdt + at), 36);

        assert_sum(table, u32(table + 4));
        if (!memcmp(table, signature, 4))
            return table;
    }
    return NULL;
}

static const uint8_t *
find_dsdt(void)
{
    const uint8_t *fadt = find("FACP");
    const uint8_t *dsdt = at_gpa(u64(fadt + 140), 36);

    assert_memory_equal(dsdt, "DSDT", 4);
    assert_sum(dsdt, u32(dsdt + 4));
    return dsdt;
}

static void
acpi_roots_have_their_sums(void **state)
{
    (void)state;
    build(2, false);
    assert_sum(area, 20);
    assert_sum(area, 36);
    assert_non_null(find("FACP"));
    assert_non_null(find("APIC"));
    assert_non_null(find("SSDT"));
}

static void
acpi_fadt_is_hardware_reduced_with_a_way_out(void **state)
{
    const uint8_t *fadt;
    uint32_t flags;

    (void)state;
    build(1, false);
    fadt = find("FACP");
    flags = u32(fadt + 112);
    assert_true(flags & 1u << 20);
    assert_true(flags & 1u << 10);
    assert_int_equal(u64(fadt + 116 + 4), ENLM_ACPI_PORT + ENLM_ACPI_RESET);
    assert_int_equal(fadt[128], ENLM_ACPI_RESET_VALUE);
    assert_int_equal(u64(fadt + 244 + 4), ENLM_ACPI_PORT + ENLM_ACPI_SLEEP);
    assert_int_equal(u64(fadt + 256 + 4), ENLM_ACPI_PORT + ENLM_ACPI_STATUS);
    assert_memory_equal(fadt + 268, "MsHyperV", 8);
}

static void
acpi_madt_has_every_processor_once(void **state)
{
    const uint8_t *madt;
    uint32_t lapics = 0, ioapics = 0, len;

    (void)state;
    build(255, false);
    madt = find("APIC");
    len = u32(madt + 4);
    for (uint32_t at = 44; at < len; at += madt[at + 1]) {
        assert_true(madt[at + 1] >= 2);
        if (madt[at] == 0)
            assert_int_equal(madt[at + 3], lapics++);
        ioapics += madt[at] == 1;
    }
    assert_int_equal(lapics, 255);
    assert_int_equal(ioapics, 1);
}

/* ---- what iasl reads ---- */

static char *
disassemble(const uint8_t *table)
{
    static char text[1 << 18];
    char dir[] = "/tmp/vmm_acpi.XXXXXX", path[64], command[256];
    size_t len;
    FILE *file;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/t.aml", dir);
    file = fopen(path, "wb");
    assert_non_null(file);
    fwrite(table, 1, u32(table + 4), file);
    fclose(file);
    snprintf(command, sizeof(command), "cd %s && iasl -d t.aml >log 2>&1", dir);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof(path), "%s/t.dsl", dir);
    file = fopen(path, "r");
    assert_non_null(file);
    len = fread(text, 1, sizeof(text) - 1, file);
    text[len] = 0;
    fclose(file);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    return text;
}

static void
acpi_dsdt_has_this_machines_windows(void **state)
{
    char *text;

    (void)state;
    build(1, false);
    text = disassemble(find_dsdt());
    assert_non_null(strstr(text, "Name (LMIN, 0xF8000000)"));
    assert_non_null(strstr(text, "Name (LLEN, 0x06C00000)"));
    assert_non_null(strstr(text, "Name (HMIN, 0x0000000140000000)"));
    assert_non_null(strstr(text, "Name (HLEN, 0x0000000100000000)"));
    assert_non_null(strstr(text, "DWordMemory (ResourceProducer"));
    assert_non_null(strstr(text, "QWordMemory (ResourceProducer"));
    assert_non_null(strstr(text, "\"VMBUS\""));
}

static void
acpi_s4_only_when_asked_for(void **state)
{
    (void)state;
    build(1, false);
    assert_null(strstr(disassemble(find_dsdt()), "_S4"));
    assert_non_null(strstr(disassemble(find_dsdt()), "_S5"));
    build(1, true);
    assert_non_null(strstr(disassemble(find_dsdt()), "_S4"));
}

static uint32_t
count(const char *text, const char *word)
{
    uint32_t n = 0;

    while ((text = strstr(text, word)) != NULL) {
        n++;
        text += strlen(word);
    }
    return n;
}

static void
acpi_ssdt_ends_behind_the_last_processor(void **state)
{
    static const uint32_t cpus[] = {1, 2, 3, 64, 255};

    (void)state;
    for (size_t i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
        build(cpus[i], false);
        assert_int_equal(count(disassemble(find("SSDT")), "ACPI0007"), cpus[i]);
    }
}

static void
acpi_too_little_room_is_refused(void **state)
{
    (void)state;
    build(255, false);
    for (size_t len = 0; len < 4096; len += 7)
        assert_int_equal(enlm_acpi_build(&config, GPA, area, len), -ENL_E_NOSPC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acpi_roots_have_their_sums),
        cmocka_unit_test(acpi_fadt_is_hardware_reduced_with_a_way_out),
        cmocka_unit_test(acpi_madt_has_every_processor_once),
        cmocka_unit_test(acpi_dsdt_has_this_machines_windows),
        cmocka_unit_test(acpi_s4_only_when_asked_for),
        cmocka_unit_test(acpi_ssdt_ends_behind_the_last_processor),
        cmocka_unit_test(acpi_too_little_room_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
