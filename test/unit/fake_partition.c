/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An embedder with no hypervisor under it. It trusts nobody: it aborts when the core makes
 * a callback with a lock held, frees with another length than it allocated, or leaves
 * memory or locks behind. abort() and not a cmocka assertion, because a callback may run
 * on any thread.
 */
#include "fake_partition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enlight/abi/hypercall.h"

static _Thread_local int locks_held;

static void
must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fake_partition: %s\n", what);
    abort();
}

static struct fake *
enter_callback(void *ctx)
{
    must(locks_held == 0, "a callback was made with a lock held");
    return ctx;
}

struct block {
    size_t len;
    size_t pad;
};

static void *
fake_alloc(void *ctx, size_t len)
{
    struct fake *f = enter_callback(ctx);
    struct block *b;

    pthread_mutex_lock(&f->records);
    bool refused = f->alloc_countdown == 0;
    if (f->alloc_countdown > 0)
        f->alloc_countdown--;
    if (!refused)
        f->alloc_bytes += len;
    pthread_mutex_unlock(&f->records);
    if (refused)
        return NULL;
    b = calloc(1, sizeof(*b) + len);
    must(b != NULL, "out of memory");
    b->len = len;
    return b + 1;
}

static void
fake_free(void *ctx, void *memory, size_t len)
{
    struct fake *f = enter_callback(ctx);
    struct block *b = memory;

    if (memory == NULL)
        return;
    b--;
    must(b->len == len, "free() with another length than alloc()");
    pthread_mutex_lock(&f->records);
    f->alloc_bytes -= len;
    pthread_mutex_unlock(&f->records);
    free(b);
}

static void *
fake_lock_create(void *ctx)
{
    struct fake *f = enter_callback(ctx);
    pthread_mutex_t *mutex = malloc(sizeof(*mutex));

    must(mutex != NULL && pthread_mutex_init(mutex, NULL) == 0, "no mutex");
    pthread_mutex_lock(&f->records);
    f->lock_count++;
    pthread_mutex_unlock(&f->records);
    return mutex;
}

static void
fake_lock_destroy(void *ctx, void *lock)
{
    struct fake *f = enter_callback(ctx);

    must(pthread_mutex_destroy(lock) == 0, "a lock was destroyed while held");
    free(lock);
    pthread_mutex_lock(&f->records);
    f->lock_count--;
    pthread_mutex_unlock(&f->records);
}

static void
fake_lock(void *ctx, void *lock)
{
    (void)ctx;
    pthread_mutex_lock(lock);
    locks_held++;
}

static void
fake_unlock(void *ctx, void *lock)
{
    (void)ctx;
    locks_held--;
    pthread_mutex_unlock(lock);
}

static uint64_t
fake_time_100ns(void *ctx)
{
    struct fake *f = enter_callback(ctx);

    return __atomic_load_n(&f->now_100ns, __ATOMIC_RELAXED);
}

static int
fake_tsc_page(void *ctx, struct enlh_tsc_page *page)
{
    struct fake *f = enter_callback(ctx);

    if (!f->tsc_stable)
        return -ENL_E_NOTSUP;
    *page = f->tsc;
    return 0;
}

static uint64_t
fake_runtime(void *ctx, uint32_t vp)
{
    struct fake *f = enter_callback(ctx);

    return f->runtime_100ns + vp;
}

static void
fake_timer_arm(void *ctx, uint32_t vp, uint64_t deadline_100ns)
{
    struct fake *f = enter_callback(ctx);

    pthread_mutex_lock(&f->records);
    f->deadline_100ns[vp] = deadline_100ns;
    f->arm_count++;
    pthread_mutex_unlock(&f->records);
}

static void
fake_kick(void *ctx, uint32_t vp)
{
    struct fake *f = enter_callback(ctx);

    pthread_mutex_lock(&f->records);
    f->kick_count[vp]++;
    pthread_mutex_unlock(&f->records);
}

static void
record_interrupt(struct fake *f, const struct fake_interrupt *interrupt)
{
    pthread_mutex_lock(&f->records);
    must(f->interrupt_count < FAKE_RECORDS, "too many interrupts");
    f->interrupt[f->interrupt_count++] = *interrupt;
    pthread_mutex_unlock(&f->records);
}

static void
fake_interrupt(void *ctx, uint32_t vp, uint8_t vector, bool auto_eoi)
{
    struct fake *f = enter_callback(ctx);
    struct fake_interrupt interrupt = {
        .vp = vp, .vector = vector, .sint = FAKE_NO_SINT, .auto_eoi = auto_eoi};

    must(vector >= 16, "a vector below 16");
    must(vp < f->config.vp_count, "no such VP");
    record_interrupt(f, &interrupt);
}

static void
fake_raise_sint(void *ctx, uint32_t vp, uint32_t sint)
{
    struct fake *f = enter_callback(ctx);
    struct fake_interrupt interrupt = {.vp = vp, .sint = (uint8_t)sint};

    must(sint < ENL_SINT_COUNT, "no such SINT");
    record_interrupt(f, &interrupt);
}

static int
fake_forward_reg(void *ctx, uint32_t vp, uint32_t reg, uint64_t value)
{
    struct fake *f = enter_callback(ctx);

    pthread_mutex_lock(&f->records);
    must(f->forward_count < FAKE_RECORDS, "too many forwarded registers");
    f->forward[f->forward_count++] =
        (struct fake_forward){.vp = vp, .reg = reg, .value = value};
    pthread_mutex_unlock(&f->records);
    return f->forward_result;
}

static void
fake_flush_tlb(void *ctx, uint32_t vp, const uint64_t *mask, uint32_t word_count)
{
    struct fake *f = enter_callback(ctx);

    must(word_count <= FAKE_VPS / 64, "a mask beyond 2048 VPs");
    pthread_mutex_lock(&f->records);
    memset(&f->flush, 0, sizeof(f->flush));
    f->flush.vp = vp;
    f->flush.word_count = word_count;
    memcpy(f->flush.mask, mask, word_count * sizeof(*mask));
    f->flush_count++;
    pthread_mutex_unlock(&f->records);
}

static void
fake_event(void *ctx, const struct enlh_event *event)
{
    struct fake *f = enter_callback(ctx);

    pthread_mutex_lock(&f->records);
    if (event->kind == ENLH_EVENT_RESET)
        f->reset_count++;
    if (event->kind == ENLH_EVENT_CRASH) {
        f->crash_count++;
        f->crash = *event;
        f->crash.text = NULL;
        if (event->text != NULL) {
            must(event->text_len <= sizeof(f->crash_text), "a text beyond 4096 bytes");
            memcpy(f->crash_text, event->text, event->text_len);
            f->crash.text = f->crash_text;
        }
    }
    pthread_mutex_unlock(&f->records);
}

static void
fake_log(void *ctx, enum enlh_log_level level, const char *text)
{
    struct fake *f = enter_callback(ctx);

    (void)level;
    pthread_mutex_lock(&f->records);
    f->log_count++;
    snprintf(f->log_last, sizeof(f->log_last), "%s", text);
    pthread_mutex_unlock(&f->records);
}

static void
fake_bug(void *ctx, const char *file, int line, const char *what)
{
    (void)ctx;
    fprintf(stderr, "%s:%d: bug: %s\n", file, line, what);
    abort();
}

void
fake_init(struct fake *f)
{
    memset(f, 0, sizeof(*f));
    must(pthread_mutex_init(&f->records, NULL) == 0, "no mutex");
    enlh_config_defaults(&f->config);
    must(enlh_features_preset("max", &f->config.features) == 0, "no preset max");
    f->config.tsc_hz = 3000000000u;
    f->config.apic_hz = 1000000000u;
    f->alloc_countdown = -1;
    f->now_100ns = 1000;
    f->tsc_stable = true;
    f->tsc = (struct enlh_tsc_page){.scale = 0x123456789abcdef0u, .offset = -77};
    f->ops = (struct enlh_ops){
        .size = sizeof(f->ops),
        .alloc = fake_alloc,
        .free = fake_free,
        .lock_create = fake_lock_create,
        .lock_destroy = fake_lock_destroy,
        .lock = fake_lock,
        .unlock = fake_unlock,
        .time_100ns = fake_time_100ns,
        .tsc_page = fake_tsc_page,
        .vp_runtime_100ns = fake_runtime,
        .timer_arm = fake_timer_arm,
        .kick = fake_kick,
        .interrupt = fake_interrupt,
        .flush_tlb = fake_flush_tlb,
        .event = fake_event,
        .log = fake_log,
        .bug = fake_bug,
    };
    for (uint32_t i = 0; i < FAKE_VPS; i++)
        f->deadline_100ns[i] = UINT64_MAX;
}

void
fake_use_below(struct fake *f)
{
    f->ops.raise_sint = fake_raise_sint;
    f->ops.forward_reg = fake_forward_reg;
}

/* aligned_alloc'd and then filled, so that a page that nobody wrote is told from zeros. */
static uint8_t *
ram_create(size_t len)
{
    uint8_t *ram = aligned_alloc(ENL_PAGE_SIZE, len);

    must(ram != NULL, "out of memory");
    memset(ram, 0xa5, len);
    return ram;
}

void
fake_start(struct fake *f)
{
    f->ram = ram_create(FAKE_RAM_LEN);
    f->high = ram_create(FAKE_HIGH_LEN);
    must(enlh_partition_create(&f->config, &f->ops, f, &f->partition) == 0,
         "enlh_partition_create() failed");
    must(enlh_mem_add(f->partition, (enl_gpa){0}, f->ram, FAKE_RAM_LEN) == 0, "region 0");
    must(enlh_mem_add(f->partition, (enl_gpa){FAKE_HIGH_GPA}, f->high, FAKE_HIGH_LEN) ==
             1,
         "region 1");
}

void
fake_boot(struct fake *f, uint32_t vp_count)
{
    fake_init(f);
    f->config.vp_count = vp_count;
    fake_start(f);
    fake_set(f, 0, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
}

void
fake_fini(struct fake *f)
{
    if (f->partition != NULL)
        enlh_partition_destroy(f->partition);
    must(f->alloc_bytes == 0, "memory was left behind");
    must(f->lock_count == 0, "locks were left behind");
    free(f->ram);
    free(f->high);
    pthread_mutex_destroy(&f->records);
}

struct enlh_vp *
fake_vp(struct fake *f, uint32_t vp)
{
    struct enlh_vp *p = enlh_partition_vp(f->partition, vp);

    must(p != NULL, "no such VP");
    return p;
}

void *
fake_at(struct fake *f, uint64_t gpa, uint64_t len)
{
    void *at = enlh_mem_at(f->partition, (enl_gpa){gpa}, len);

    must(at != NULL, "fake_at() outside RAM");
    return at;
}

void
fake_forget(struct fake *f)
{
    pthread_mutex_lock(&f->records);
    f->interrupt_count = 0;
    f->forward_count = 0;
    f->flush_count = 0;
    f->arm_count = 0;
    f->reset_count = 0;
    f->crash_count = 0;
    f->log_count = 0;
    memset(f->kick_count, 0, sizeof(f->kick_count));
    pthread_mutex_unlock(&f->records);
}

void
fake_set(struct fake *f, uint32_t vp, uint32_t reg, uint64_t value)
{
    int err = enlh_vp_set_reg(fake_vp(f, vp), reg, value);

    if (err != 0)
        fprintf(stderr, "fake_set: register %#x value %#llx: %d\n", reg,
                (unsigned long long)value, err);
    must(err == 0, "a register write failed");
}

uint64_t
fake_get(struct fake *f, uint32_t vp, uint32_t reg)
{
    uint64_t value = 0;

    must(enlh_vp_get_reg(fake_vp(f, vp), reg, &value) == 0, "a register read failed");
    return value;
}

void
fake_synic_on(struct fake *f, uint32_t vp, uint32_t sint)
{
    uint64_t simp = FAKE_SIMP_GPA(vp) | ENL_SIMP_ENABLE;
    uint64_t siefp = FAKE_SIEFP_GPA(vp) | ENL_SIEFP_ENABLE;

    if (f->ops.raise_sint != NULL) {
        must(enlh_vp_synic_changed(fake_vp(f, vp), ENL_SCONTROL_ENABLE, siefp, simp) == 0,
             "enlh_vp_synic_changed() failed");
        return;
    }
    fake_set(f, vp, ENL_REG_SIMP, simp);
    fake_set(f, vp, ENL_REG_SIEFP, siefp);
    fake_set(f, vp, ENL_REG_SINT0 + sint, FAKE_VECTOR);
    fake_set(f, vp, ENL_REG_SCONTROL, ENL_SCONTROL_ENABLE);
}

void
fake_synic_off(struct fake *f, uint32_t vp)
{
    if (f->ops.raise_sint != NULL) {
        must(enlh_vp_synic_changed(fake_vp(f, vp), 0, 0, 0) == 0,
             "enlh_vp_synic_changed() failed");
        return;
    }
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++)
        fake_set(f, vp, ENL_REG_SINT0 + i, ENL_SINT_RESET_VALUE);
    fake_set(f, vp, ENL_REG_SIMP, 0);
    fake_set(f, vp, ENL_REG_SIEFP, 0);
    fake_set(f, vp, ENL_REG_SCONTROL, 0);
}

struct enl_message *
fake_slot(struct fake *f, uint32_t vp, uint32_t sint)
{
    struct enl_message_page *page = fake_at(f, FAKE_SIMP_GPA(vp), ENL_PAGE_SIZE);

    return &page->slot[sint];
}

bool
fake_take_message(struct fake *f, uint32_t vp, uint32_t sint, struct enl_message *out)
{
    struct enl_message *slot = fake_slot(f, vp, sint);
    uint8_t flags;

    enlh_vp_enter(fake_vp(f, vp));
    if (__atomic_load_n(&slot->type, __ATOMIC_ACQUIRE) == ENL_MESSAGE_NONE)
        return false;
    *out = *slot;
    __atomic_store_n(&slot->type, ENL_MESSAGE_NONE, __ATOMIC_SEQ_CST);
    flags = __atomic_load_n(&slot->flags, __ATOMIC_SEQ_CST);
    if ((flags & ENL_MESSAGE_FLAG_PENDING) != 0) {
        if (f->ops.raise_sint != NULL)
            enlh_vp_slot_freed(fake_vp(f, vp));
        else
            fake_set(f, vp, ENL_REG_EOM, 0);
    }
    enlh_vp_enter(fake_vp(f, vp));
    return true;
}

bool
fake_take_event(struct fake *f, uint32_t vp, uint32_t sint, uint32_t flag)
{
    struct enl_event_page *page = fake_at(f, FAKE_SIEFP_GPA(vp), ENL_PAGE_SIZE);
    uint32_t *word = &page->sint[sint].word[flag / 32];
    uint32_t bit = 1u << (flag % 32);

    return (__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST) & bit) != 0;
}

uint64_t
fake_hypercall(struct fake *f, uint32_t vp, uint64_t control, uint64_t input,
               uint64_t output)
{
    struct enlh_hypercall call = {.control = control, .input = input, .output = output};

    return enlh_vp_hypercall(fake_vp(f, vp), &call);
}

uint16_t
fake_post(struct fake *f, uint32_t vp, uint32_t connection_id, uint32_t type,
          const void *payload, uint32_t len)
{
    struct enl_hv_post_message *input = fake_at(f, FAKE_INPUT_GPA, sizeof(*input));

    must(len <= sizeof(input->payload), "a message beyond 240 bytes");
    memset(input, 0, sizeof(*input));
    input->connection_id = connection_id;
    input->message_type = type;
    input->payload_len = len;
    memcpy(input->payload, payload, len);
    return (uint16_t)fake_hypercall(f, vp, ENL_CALL_POST_MESSAGE, FAKE_INPUT_GPA, 0);
}

uint16_t
fake_signal(struct fake *f, uint32_t vp, uint32_t connection_id, uint16_t flag)
{
    uint64_t input = connection_id | (uint64_t)flag << 32;

    return (uint16_t)fake_hypercall(f, vp, ENL_HCALL_FAST | ENL_CALL_SIGNAL_EVENT, input,
                                    0);
}

void
fake_time(struct fake *f, uint64_t now_100ns)
{
    __atomic_store_n(&f->now_100ns, now_100ns, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < f->config.vp_count; i++) {
        if (f->deadline_100ns[i] > now_100ns)
            continue;
        enlh_vp_timer(fake_vp(f, i));
        enlh_vp_enter(fake_vp(f, i));
    }
}
