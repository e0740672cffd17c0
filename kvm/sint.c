/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm/sint.c - the kernel engine's SINTs: one GSI for each, and the news of their EOM
 *
 * Raised by the core on any thread; routed once at start. KVM signals a resample irqfd on
 * each EOM and EOI of SINT 2. That is listened to only while a message waits behind a busy
 * slot, so that an ordinary interrupt wakes nobody. [TLFS 11.10 EOM]
 * Seen: KVM 6.1 refuses a resample irqfd with a split irqchip.
 * Tests: test/unit/kvm_interrupt.c, test/os on the kernel engine (S06, S07).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "enlight/abi/register.h"
#include "kvm/internal.h"

#define GSI_MAX        4096u /* KVM_MAX_IRQ_ROUTES: bounds GSIs, and routes of all kinds */
#define PIC_PINS       16u
#define IOAPIC_PINS    24u
#define DEFAULT_ROUTES (PIC_PINS + IOAPIC_PINS)

static uint32_t
base_routes(const struct enlk_config *config)
{
    return config->route_count ? config->route_count : DEFAULT_ROUTES;
}

uint32_t
enlk_sint_per_vp(const struct enlk_config *config)
{
    uint32_t base = base_routes(config), taken, fit;

    /* A pin is two routes of one GSI; the embedder's GSIs may have gaps. */
    taken = base > config->first_gsi ? base : config->first_gsi;
    if (taken >= GSI_MAX || !config->vp_count)
        return 0;
    fit = (GSI_MAX - taken) / config->vp_count;
    return fit < ENL_SINT_COUNT ? fit : ENL_SINT_COUNT;
}

static uint32_t
gsi_of(const struct enlk_config *config, uint32_t vp, uint32_t sint)
{
    return config->first_gsi + vp * enlk_sint_per_vp(config) + sint;
}

static uint32_t
pin_routes(struct kvm_irq_routing_entry *to)
{
    uint32_t n = 0;

    for (uint32_t pin = 0; pin < PIC_PINS; pin++, n++) {
        to[n].gsi = pin;
        to[n].type = KVM_IRQ_ROUTING_IRQCHIP;
        to[n].u.irqchip.irqchip =
            pin < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
        to[n].u.irqchip.pin = pin % 8;
    }
    for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++, n++) {
        to[n].gsi = pin;
        to[n].type = KVM_IRQ_ROUTING_IRQCHIP;
        to[n].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
        to[n].u.irqchip.pin = pin;
    }
    return n;
}

static uint32_t
sint_routes(const struct enlk_config *config, struct kvm_irq_routing_entry *to)
{
    uint32_t n = 0, sints = enlk_sint_per_vp(config);

    for (uint32_t vp = 0; vp < config->vp_count; vp++) {
        for (uint32_t sint = 0; sint < sints; sint++, n++) {
            to[n].gsi = gsi_of(config, vp, sint);
            to[n].type = KVM_IRQ_ROUTING_HV_SINT;
            to[n].u.hv_sint.vcpu = vp;
            to[n].u.hv_sint.sint = sint;
        }
    }
    return n;
}

static int
set_routes(struct enlk_engine *engine)
{
    const struct enlk_config *config = &engine->config;
    uint32_t base = base_routes(config);
    size_t count = base + (size_t)config->vp_count * ENL_SINT_COUNT;
    struct kvm_irq_routing *table;
    int err = 0;

    table = calloc(1, sizeof(*table) + count * sizeof(table->entries[0]));
    if (!table)
        return -ENL_E_NOMEM;
    if (config->route_count)
        memcpy(table->entries, config->routes, base * sizeof(table->entries[0]));
    else
        pin_routes(table->entries);
    table->nr = base + sint_routes(config, &table->entries[base]);
    if (ioctl(config->vm_fd, KVM_SET_GSI_ROUTING, table) < 0)
        err = -ENL_E_IO;
    free(table);
    return err;
}

/* Disarmed until a message waits: no events asked for. */
static int
listen_for_ack(struct enlk_vcpu *vcpu, int operation, uint32_t events)
{
    struct epoll_event ev = {.events = events};

    ev.data.u64 = (uint64_t)vcpu->index << 8 | ENLK_SOURCE_ACK;
    return epoll_ctl(vcpu->engine->epoll_fd, operation, vcpu->ack_fd, &ev) < 0 ? -ENL_E_IO
                                                                               : 0;
}

static int
start_vcpu(struct enlk_vcpu *vcpu)
{
    struct enlk_engine *engine = vcpu->engine;
    struct kvm_irqfd irqfd;

    vcpu->sint_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    vcpu->ack_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (vcpu->sint_fd < 0 || vcpu->ack_fd < 0)
        return -ENL_E_IO;
    memset(&irqfd, 0, sizeof(irqfd));
    irqfd.fd = (uint32_t)vcpu->sint_fd;
    irqfd.resamplefd = (uint32_t)vcpu->ack_fd;
    irqfd.gsi = gsi_of(&engine->config, vcpu->index, ENL_SINT_VMBUS);
    irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
    if (ioctl(engine->config.vm_fd, KVM_IRQFD, &irqfd) < 0)
        return -ENL_E_IO;
    return listen_for_ack(vcpu, EPOLL_CTL_ADD, 0);
}

int
enlk_sint_start(struct enlk_engine *engine)
{
    int err = set_routes(engine);

    for (uint32_t vp = 0; !err && vp < engine->config.vp_count; vp++)
        err = start_vcpu(&engine->vcpus[vp]);
    return err;
}

void
enlk_sint_fini(struct enlk_vcpu *vcpu)
{
    if (vcpu->sint_fd >= 0)
        close(vcpu->sint_fd);
    if (vcpu->ack_fd >= 0)
        close(vcpu->ack_fd);
}

void
enlk_sint_raise(void *ctx, uint32_t vp, uint32_t sint)
{
    struct enlk_engine *engine = ctx;
    struct kvm_irq_level level;

    if (vp >= engine->config.vp_count || sint >= enlk_sint_per_vp(&engine->config))
        return;
    memset(&level, 0, sizeof(level));
    level.irq = gsi_of(&engine->config, vp, sint);
    level.level = 1;
    ioctl(engine->config.vm_fd, KVM_IRQ_LINE, &level);
}

/*
 * No EOM of this VP can come between the drain and KVM_RUN: this is its own thread. What
 * the guest does from then on finds the descriptor armed.
 */
void
enlk_sint_enter(struct enlk_vcpu *vcpu)
{
    uint64_t count;

    if (atomic_load_explicit(&vcpu->ack_armed, memory_order_acquire) ||
        enlh_vp_messages_done(vcpu->vp, ENL_SINT_VMBUS))
        return;
    if (read(vcpu->ack_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        return;
    atomic_store_explicit(&vcpu->ack_armed, true, memory_order_release);
    listen_for_ack(vcpu, EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT);
}

void
enlk_sint_acked(struct enlk_vcpu *vcpu)
{
    atomic_store_explicit(&vcpu->ack_armed, false, memory_order_release);
    enlh_vp_slot_freed(vcpu->vp);
}
