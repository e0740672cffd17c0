/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A partition's life: what its configuration is completed to, the rooms in their order,
 * the machine reset. The embedder makes it run, with no VP inside; the configuration is
 * its own and is still checked, because a user typed it. What is announced is cut down to
 * what the embedder's callbacks can serve.
 * Tests: partition_life.
 */
#include "host/core/partition.h"

#include <string.h>

#include "enlight/abi/cpuid.h"
#include "host/core/ops.h"

#define PARTITION_MAX_VPS 2048u

void
enlh_config_defaults(struct enlh_config *config)
{
    memset(config, 0, sizeof(*config));
    config->size = sizeof(*config);
    config->vp_count = 1;
    (void)!enlh_features_preset("portable", &config->features);
    memcpy(config->vendor, "Microsoft Hv", sizeof(config->vendor));
    config->major = 10;
    config->build = 20348;
}

/* A caller that was built against a shorter struct has zeros for the rest. */
static void
copy_sized(void *to, size_t to_size, const void *from, size_t from_size)
{
    memset(to, 0, to_size);
    memcpy(to, from, from_size < to_size ? from_size : to_size);
}

/* Nothing of this can be missing; an embedder that has locks has all four functions. */
static bool
ops_ok(const struct enlh_ops *ops)
{
    bool locks = ops->lock != NULL;

    return ops->alloc != NULL && ops->free != NULL && ops->time_100ns != NULL &&
           ops->timer_arm != NULL && ops->kick != NULL && ops->interrupt != NULL &&
           ops->event != NULL && (ops->unlock != NULL) == locks &&
           (ops->lock_create != NULL) == locks && (ops->lock_destroy != NULL) == locks;
}

/* What the embedder cannot serve is not announced, and neither is what stands on it. */
static uint64_t
features_served(const struct enlh_ops *ops, uint64_t set)
{
    if (ops->vp_runtime_100ns == NULL)
        set &= ~ENLH_F_BIT(ENLH_F_RUNTIME);
    /* A hypervisor below that has the SINTs answers these calls itself. */
    if (ops->flush_tlb == NULL && ops->raise_sint == NULL)
        set &= ~(ENLH_F_BIT(ENLH_F_TLBFLUSH) | ENLH_F_BIT(ENLH_F_TLBFLUSH_EXT));
    if (ops->apic_reg == NULL && ops->forward_reg == NULL)
        set &= ~(ENLH_F_BIT(ENLH_F_VAPIC) | ENLH_F_BIT(ENLH_F_NESTED));
    return set;
}

static int
config_complete(struct enlh_config *config, const struct enlh_ops *ops)
{
    enum enlh_feature which, lacks;

    if (config->vp_count == 0 || config->vp_count > PARTITION_MAX_VPS ||
        (config->features.set >> ENLH_F_COUNT) != 0 || config->vendor[12] != '\0')
        return -ENL_E_INVAL;
    if (enlh_features_check(&config->features, &which, &lacks) != 0)
        return -ENL_E_INVAL;
    config->features.set = features_served(ops, config->features.set);
    if ((config->features.set & ENLH_F_BIT(ENLH_F_SPINLOCKS)) == 0)
        config->features.spin_retries = ENL_SPIN_NEVER;
    if (config->max_vp_count < config->vp_count)
        config->max_vp_count = config->vp_count > 64 ? config->vp_count : 64;
    return 0;
}

static int
partition_init(struct enlh_partition *partition)
{
    int err;

    partition->lock = enlh_ops_lock_create(partition);
    if (partition->ops.lock != NULL && partition->lock == NULL)
        return -ENL_E_NOMEM;
    err = enlh_hypercall_init(partition);
    if (err == 0)
        err = enlh_clock_init(partition);
    if (err == 0)
        err = enlh_crash_init(partition);
    for (uint32_t i = 0; err == 0 && i < partition->config.vp_count; i++)
        err = enlh_vp_init(partition, i);
    return err;
}

int
enlh_partition_create(const struct enlh_config *config, const struct enlh_ops *ops,
                      void *ctx, struct enlh_partition **out)
{
    struct enlh_partition first;
    struct enlh_partition *partition;
    int err;

    memset(&first, 0, sizeof(first));
    copy_sized(&first.config, sizeof(first.config), config, config->size);
    copy_sized(&first.ops, sizeof(first.ops), ops, ops->size);
    first.ctx = ctx;
    if (!ops_ok(&first.ops))
        return -ENL_E_INVAL;
    err = config_complete(&first.config, &first.ops);
    if (err != 0)
        return err;
    partition = enlh_ops_alloc(&first, sizeof(*partition));
    if (partition == NULL)
        return -ENL_E_NOMEM;
    partition->config = first.config;
    partition->ops = first.ops;
    partition->ctx = ctx;
    partition->vps =
        enlh_ops_alloc(partition, partition->config.vp_count * sizeof(*partition->vps));
    err = partition->vps != NULL ? partition_init(partition) : -ENL_E_NOMEM;
    if (err != 0) {
        enlh_partition_destroy(partition);
        return err;
    }
    *out = partition;
    return 0;
}

void
enlh_partition_destroy(struct enlh_partition *partition)
{
    struct enlh_partition last;

    for (uint32_t i = 0; partition->vps != NULL && i < partition->config.vp_count; i++) {
        if (partition->vps[i].partition != NULL)
            enlh_vp_fini(&partition->vps[i]);
    }
    enlh_crash_fini(partition);
    enlh_clock_fini(partition);
    enlh_hypercall_fini(partition);
    enlh_port_fini(partition);
    enlh_ops_lock_destroy(partition, partition->lock);
    enlh_ops_free(partition, partition->vps,
                  partition->config.vp_count * sizeof(*partition->vps));
    last.ops = partition->ops;
    last.ctx = partition->ctx;
    enlh_ops_free(&last, partition, sizeof(*partition));
}

void
enlh_partition_reset(struct enlh_partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vp_count; i++)
        enlh_vp_reset(&partition->vps[i]);
    enlh_clock_reset(partition);
    enlh_hypercall_reset(partition);
    enlh_crash_reset(partition);
    atomic_store(&partition->guest_lines, 0);
}

const struct enlh_config *
enlh_partition_config(const struct enlh_partition *partition)
{
    return &partition->config;
}

static uint64_t
count_read(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

void
enlh_partition_counters(const struct enlh_partition *partition, struct enlh_counters *out)
{
    const struct enlh_count *count = &partition->count;

    *out = (struct enlh_counters){
        .hypercalls = count_read(&count->hypercalls),
        .hypercalls_refused = count_read(&count->hypercalls_refused),
        .register_faults = count_read(&count->register_faults),
        .messages = count_read(&count->messages),
        .messages_waited = count_read(&count->messages_waited),
        .messages_dropped = count_read(&count->messages_dropped),
        .events = count_read(&count->events),
        .interrupts = count_read(&count->interrupts),
        .timers = count_read(&count->timers),
    };
}
