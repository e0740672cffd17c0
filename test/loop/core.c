/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/core.c - the two cores alone: flushes, interrupts, crashes, rates, leaving
 *
 * A partition without a bus, with more VPs than a word has bits. What the guest asks for is
 * what its seed says; what the host's embedder is asked for in the end must be the same.
 */
#include <stdlib.h>
#include <string.h>

#include "enlight/abi/hypercall.h"
#include "enlight/abi/register.h"
#include "enlight/guest/assist.h"
#include "enlight/guest/clock.h"
#include "enlight/guest/crash.h"
#include "enlight/guest/hypercall.h"
#include "enlight/guest/ipi.h"
#include "enlight/guest/leave.h"
#include "enlight/guest/reenlightenment.h"
#include "enlight/guest/spin.h"
#include "enlight/guest/stimer.h"
#include "enlight/guest/synic.h"
#include "enlight/guest/tlb.h"
#include "enlight/host/x86_64.h"
#include "test/loop/partition.h"

#define VPS     300u
#define WORDS   ((VPS + 63) / 64)
#define PAGES   16u
#define OS_ID   (ENL_GUEST_OS_ID_OPEN_SOURCE | 0x99)
#define RATE_HZ UINT64_C(2500000000)

static struct enlh_partition *host;
static struct enlh_vp *vp; /* that runs */
static struct enlg_platform platform;
static struct enlg_partition guest;
static struct loop_rand rand_of;
static _Alignas(4096) uint8_t ram[PAGES][ENL_PAGE_SIZE];

/* What the embedder was asked for since it was last looked at. */
static struct {
    uint64_t flushed[WORDS];
    uint32_t flushes;
    uint64_t interrupted[WORDS];
    uint8_t vector;
    uint32_t eois;
    struct enlh_event crash;
    char text[64];
} asked;

/* ---- the host's embedder ---- */

static void *
host_alloc(void *ctx, size_t len)
{
    (void)ctx;
    return calloc(1, len);
}

static void
host_free(void *ctx, void *memory, size_t len)
{
    (void)ctx;
    (void)len;
    free(memory);
}

static uint64_t
host_time(void *ctx)
{
    (void)ctx;
    return 12345;
}

static int
host_tsc_page(void *ctx, struct enlh_tsc_page *page)
{
    (void)ctx;
    *page = (struct enlh_tsc_page){UINT64_C(1) << 63, 0};
    return 0;
}

static void
host_timer_arm(void *ctx, uint32_t index, uint64_t deadline)
{
    (void)ctx;
    (void)index;
    (void)deadline;
}

static void
host_kick(void *ctx, uint32_t index)
{
    (void)ctx;
    (void)index;
}

static void
host_interrupt(void *ctx, uint32_t index, uint8_t vector, bool auto_eoi)
{
    (void)ctx;
    (void)auto_eoi;
    asked.interrupted[index / 64] |= UINT64_C(1) << index % 64;
    asked.vector = vector;
}

static void
host_flush(void *ctx, uint32_t index, const uint64_t *mask, uint32_t word_count)
{
    (void)ctx;
    (void)index;
    loop_check(word_count == WORDS);
    memcpy(asked.flushed, mask, sizeof(asked.flushed));
    asked.flushes++;
}

static void
host_event(void *ctx, const struct enlh_event *event)
{
    (void)ctx;
    loop_check(event->kind == ENLH_EVENT_CRASH && event->text_len < sizeof(asked.text));
    asked.crash = *event;
    if (event->text)
        memcpy(asked.text, event->text, event->text_len);
}

static int
host_apic_reg(void *ctx, uint32_t index, uint32_t reg, bool write, uint64_t *value)
{
    (void)ctx;
    (void)index;
    (void)value;
    asked.eois += reg == ENL_REG_EOI && write;
    return 0;
}

static const struct enlh_ops ops = {
    .size = sizeof(ops),
    .alloc = host_alloc,
    .free = host_free,
    .time_100ns = host_time,
    .tsc_page = host_tsc_page,
    .timer_arm = host_timer_arm,
    .kick = host_kick,
    .interrupt = host_interrupt,
    .flush_tlb = host_flush,
    .event = host_event,
    .apic_reg = host_apic_reg,
};

/* ---- the guest's platform ---- */

static void
guest_cpuid(void *ctx, uint32_t leaf, struct enl_cpuid_leaf *out)
{
    struct enlh_cpuid leaves[16];
    uint32_t count = enlh_x64_cpuid(host, leaves);

    (void)ctx;
    memset(out, 0, sizeof(*out));
    if (leaf == 1)
        out->ecx = ENL_CPUID_1_ECX_HYPERVISOR;
    for (uint32_t i = 0; i < count; i++) {
        if (leaves[i].leaf == leaf)
            *out = (struct enl_cpuid_leaf){leaves[i].eax, leaves[i].ebx, leaves[i].ecx,
                                           leaves[i].edx};
    }
}

static int
guest_get_reg(void *ctx, uint32_t reg, uint64_t *value)
{
    (void)ctx;
    loop_check(enlh_vp_get_reg(vp, reg, value) == 0);
    return 0;
}

static int
guest_set_reg(void *ctx, uint32_t reg, uint64_t value)
{
    (void)ctx;
    loop_check(enlh_vp_set_reg(vp, reg, value) == 0);
    return 0;
}

static uint64_t
guest_hypercall(void *ctx, const void *code, uint64_t control, uint64_t input,
                uint64_t output)
{
    struct enlh_hypercall call = {control, input, output, NULL};

    (void)ctx;
    (void)code;
    return enlh_vp_hypercall(vp, &call);
}

static uint64_t
guest_hypercall_fast(void *ctx, const void *code, uint64_t control, const uint64_t *input)
{
    struct enlh_hypercall call = {control, input[0], input[1], input + 2};

    (void)ctx;
    (void)code;
    return enlh_vp_hypercall(vp, &call);
}

static uint64_t
guest_tsc(void *ctx)
{
    (void)ctx;
    return 1000;
}

static enl_gpa
guest_gpa(void *ctx, const void *address)
{
    uint64_t at = (uint64_t)((const uint8_t *)address - ram[0]);

    (void)ctx;
    loop_check(at < sizeof(ram));
    return (enl_gpa){at};
}

static void
guest_pause(void *ctx, uint32_t attempt)
{
    (void)ctx;
    loop_fail("nothing here waits: %u", attempt);
}

/* ---- the machine ---- */

static void
machine_start(uint64_t seed)
{
    struct enlh_config config;

    rand_of.state = seed;
    memset(&asked, 0, sizeof(asked));
    memset(ram, LOOP_POISON, sizeof(ram));
    enlh_config_defaults(&config);
    config.vp_count = VPS;
    config.tsc_hz = RATE_HZ;
    config.apic_hz = 200000000;
    loop_check(enlh_features_preset("max", &config.features) == 0);
    loop_check(enlh_partition_create(&config, &ops, NULL, &host) == 0);
    loop_check(enlh_mem_add(host, (enl_gpa){0}, ram, sizeof(ram)) == 0);
    vp = enlh_partition_vp(host, loop_rand_below(&rand_of, VPS));
    platform = (struct enlg_platform){
        .size = sizeof(platform),
        .cpuid = guest_cpuid,
        .get_reg = guest_get_reg,
        .set_reg = guest_set_reg,
        .hypercall = guest_hypercall,
        .hypercall_fast = guest_hypercall_fast,
        .tsc = guest_tsc,
        .gpa = guest_gpa,
        .pause = guest_pause,
    };
    loop_check(enlg_partition_init(&guest, &platform) == 0);
    loop_check(enlg_hypercall_enable(&guest, ram[0], OS_ID) == 0);
}

static void
machine_end(void)
{
    enlg_hypercall_disable(&guest);
    enlh_partition_destroy(host);
}

/* A set of some VPs, now and then of all, dense or sparse, short or long. */
static struct enlg_vpset
some_vps(uint64_t *word)
{
    struct enlg_vpset set = {word, 1 + loop_rand_below(&rand_of, WORDS)};
    uint32_t dense = loop_rand_below(&rand_of, 4);

    memset(word, 0, WORDS * sizeof(*word));
    if (dense == 0) {
        memset(word, 0xFF, WORDS * sizeof(*word));
        word[WORDS - 1] &= (UINT64_C(1) << VPS % 64) - 1;
        return (struct enlg_vpset){NULL, 0};
    }
    for (uint32_t i = 0; i < set.word_count; i++) {
        if (dense == 1)
            word[i] = loop_rand_next(&rand_of);
        else if (loop_rand_percent(&rand_of, 40))
            word[i] = UINT64_C(1) << loop_rand_below(&rand_of, 64);
    }
    word[WORDS - 1] &= (UINT64_C(1) << VPS % 64) - 1;
    return set;
}

static bool
is_empty(const uint64_t *word)
{
    uint64_t any = 0;

    for (uint32_t i = 0; i < WORDS; i++)
        any |= word[i];
    return any == 0;
}

/* ---- cases ---- */

static uint64_t
pages_of(const struct enlg_tlb_range *range, uint32_t count)
{
    uint64_t pages = 0;

    for (uint32_t i = 0; i < count; i++)
        pages += range[i].pages;
    return pages;
}

static void
core_flush_reaches_the_set(uint64_t seed)
{
    machine_start(seed);
    for (uint32_t round = 0; round < 20; round++) {
        uint64_t word[WORDS];
        struct enlg_tlb_range range[3];
        struct enlg_tlb_flush flush = {.vps = some_vps(word), .address_space = 0x1000};
        bool nothing = is_empty(word);

        for (uint32_t i = 0; i < 3; i++) {
            range[i].start = loop_rand_next(&rand_of);
            range[i].pages =
                loop_rand_below(&rand_of, 3) * loop_rand_below(&rand_of, 2000000);
        }
        if (loop_rand_percent(&rand_of, 70)) {
            flush.range = range;
            flush.range_count = loop_rand_below(&rand_of, 4);
            nothing = nothing || pages_of(range, flush.range_count) == 0;
        }
        if (loop_rand_percent(&rand_of, 50))
            flush.flags = loop_rand_below(&rand_of, 4);
        memset(&asked, 0, sizeof(asked));
        loop_check(enlg_tlb_flush(&guest, ram[1], &flush) == 0);
        loop_check(nothing || memcmp(asked.flushed, word, sizeof(word)) == 0);
        loop_check((asked.flushes == 0) == nothing);
    }
    machine_end();
}

static void
core_ipi_reaches_the_set(uint64_t seed)
{
    machine_start(seed);
    for (uint32_t round = 0; round < 20; round++) {
        uint64_t word[WORDS];
        struct enlg_vpset set = some_vps(word);
        uint8_t vector = (uint8_t)(16 + loop_rand_below(&rand_of, 240));

        memset(&asked, 0, sizeof(asked));
        loop_check(enlg_ipi_send(&guest, ram[1], vector, &set) == 0);
        loop_check(memcmp(asked.interrupted, word, sizeof(word)) == 0);
        loop_check(asked.vector == vector || is_empty(word));
    }
    machine_end();
}

/* The Ex form with all of its input in registers: a set of up to nine words. */
static void
core_fast_input_arrives_whole(uint64_t seed)
{
    struct {
        struct enl_hv_send_ipi_ex head;
        uint64_t bank[WORDS];
    } ipi = {.head = {.vector = 0x55, .vp_set = {ENL_VP_SET_SPARSE, 0x1F}}};
    uint32_t len = sizeof(ipi);

    machine_start(seed);
    for (uint32_t i = 0; i < WORDS; i++)
        ipi.bank[i] = loop_rand_next(&rand_of);
    ipi.bank[WORDS - 1] &= (UINT64_C(1) << VPS % 64) - 1;
    loop_check(enlg_hypercall_fast(&guest, ENL_CALL_SEND_IPI_EX, 8 * WORDS, &ipi, len) ==
               0);
    loop_check(memcmp(asked.interrupted, ipi.bank, sizeof(ipi.bank)) == 0);
    machine_end();
}

static void
core_wait_for_a_lock_is_told(uint64_t seed)
{
    struct enlh_counters before, after;
    uint32_t tries = 0;

    machine_start(seed);
    enlh_partition_counters(host, &before);
    while (!enlg_spin_wait(&guest, &tries))
        loop_check(tries < enlg_spin_limit(&guest));
    enlh_partition_counters(host, &after);
    loop_check(after.hypercalls == before.hypercalls + 1);
    loop_check(after.hypercalls_refused == before.hypercalls_refused);
    machine_end();
}

static void
core_crash_arrives_with_its_text(uint64_t seed)
{
    struct enlg_crash crash = {.param = {1, 2, 3, 4, 5}};

    machine_start(seed);
    loop_check(enlg_crash_report(&guest, &crash) == 0);
    loop_check(memcmp(asked.crash.crash, crash.param, sizeof(crash.param)) == 0);
    loop_check(!asked.crash.text);
    memcpy(&ram[2][4090], "panic!", 6);
    crash.text = &ram[2][4090];
    crash.text_len = 6;
    loop_check(enlg_crash_report(&guest, &crash) == 1);
    loop_check(asked.crash.text_len == 6 && memcmp(asked.text, "panic!", 6) == 0);
    loop_check(asked.crash.crash[0] == 1 && asked.crash.crash[2] == 3);
    machine_end();
}

static void
core_rates_are_told(uint64_t seed)
{
    uint64_t tsc = 0, apic = 0;

    machine_start(seed);
    loop_check(enlg_clock_frequencies(&guest, &tsc, &apic) == 0);
    loop_check(tsc == RATE_HZ && apic == 200000000);
    loop_check(enlg_clock_set_invariant(&guest) == 0);
    loop_check(enlg_reenlightenment_enable(&guest, 0xee, 3) == 0);
    loop_check(!enlg_reenlightenment_is_emulating(&guest));
    loop_check(enlg_reenlightenment_done(&guest, &tsc) == 0 && tsc == RATE_HZ);
    enlg_reenlightenment_disable(&guest);
    machine_end();
}

static bool
page_is(uint32_t page, uint8_t value)
{
    for (uint32_t i = 0; i < ENL_PAGE_SIZE; i++) {
        if (ram[page][i] != value)
            return false;
    }
    return true;
}

/* Whatever was shared is as it was, and the host writes nowhere any more. */
static void
core_leaves_nothing_behind(uint64_t seed)
{
    static const uint32_t page_regs[] = {ENL_REG_HYPERCALL, ENL_REG_REFERENCE_TSC,
                                         ENL_REG_VP_ASSIST_PAGE, ENL_REG_SIMP,
                                         ENL_REG_SIEFP};
    struct enlg_synic_pages pages = {ram[3], ram[4]};
    struct enlg_synic synic;
    struct enlg_assist assist;
    struct enlg_clock clock;
    struct enlg_stimer timer;
    uint64_t value;

    machine_start(seed);
    loop_check(enlg_synic_enable(&synic, &guest, &pages) == 0);
    loop_check(enlg_synic_unmask(&synic, 2, 0xf3, 0, NULL) == 0);
    loop_check(enlg_stimer_init_message(&timer, &guest, 1, 2) == 0);
    loop_check(enlg_stimer_every(&timer, 10) == 0);
    loop_check(enlg_assist_enable(&assist, &guest, ram[5]) == 0);
    loop_check(enlg_clock_init(&clock, &guest, ram[6]) == 0);
    loop_check(enlg_clock_is_fast(&clock) && enlg_clock_read(&clock) == 500);
    loop_check(enlg_assist_eoi(&assist) && asked.eois == 1);
    enlg_leave_vp(&guest);
    enlg_leave_partition(&guest);
    for (size_t i = 0; i < sizeof(page_regs) / sizeof(page_regs[0]); i++)
        loop_check(enlh_vp_get_reg(vp, page_regs[i], &value) == 0 &&
                   !(value & ENL_PAGE_REG_ENABLE));
    loop_check(enlh_vp_get_reg(vp, ENL_REG_GUEST_OS_ID, &value) == 0 && value == 0);
    loop_check(page_is(0, LOOP_POISON));
    for (uint32_t page = 3; page <= 6; page++)
        loop_check(page_is(page, 0)); /* as the guest had zeroed them */
    loop_check(enlg_clock_read(&clock) == 12345);
    machine_end();
}

int
main(int argc, char **argv)
{
    static const struct loop_case cases[] = {
        {"core_flush_reaches_the_set", core_flush_reaches_the_set, 500},
        {"core_ipi_reaches_the_set", core_ipi_reaches_the_set, 500},
        {"core_fast_input_arrives_whole", core_fast_input_arrives_whole, 100},
        {"core_wait_for_a_lock_is_told", core_wait_for_a_lock_is_told, 1},
        {"core_crash_arrives_with_its_text", core_crash_arrives_with_its_text, 10},
        {"core_rates_are_told", core_rates_are_told, 10},
        {"core_leaves_nothing_behind", core_leaves_nothing_behind, 50},
    };

    return loop_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
