/* SPDX-License-Identifier: BSD-2-Clause */
/* S03, S08, K02: vectors by MSI, AutoEOI past the LAPIC, SINTs by GSI, doorbells. */
#include "fake_kvm.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "enlight/abi/msr.h"
#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"

#define SIMP_GPA 0x6000u

static void
raise(uint32_t vp, uint8_t vector, bool auto_eoi)
{
    enlk_engine_ops(k.engine)->interrupt(k.engine, vp, vector, auto_eoi);
}

static void
turn(uint32_t vp)
{
    k.vcpu[vp].run->exit_reason = KVM_EXIT_INTR;
    k.vcpu[vp].run->immediate_exit = 0;
    enlk_vcpu_enter(k.engine, vp);
    enlk_vcpu_leave(k.engine, vp);
}

static void
interrupt_is_one_msi(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_USER, 3, 0);
    raise(2, 0xF3, false);
    assert_int_equal(k.msis, 1);
    assert_int_equal(k.msi.address_lo, 0xFEE02000);
    assert_int_equal(k.msi.data, 0xF3);
    raise(7, 0xF3, false);
    assert_int_equal(k.msis, 1);
    fake_kvm_fini();
}

static void
auto_eoi_bypasses_the_lapic(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    k.vcpu[0].mp.mp_state = KVM_MP_STATE_HALTED;
    raise(0, 0x55, true);
    assert_int_equal(k.msis, 0);
    assert_int_equal(k.kicks[0], 1);
    turn(0);
    assert_int_equal(k.vcpu[0].events.interrupt.injected, 1);
    assert_int_equal(k.vcpu[0].events.interrupt.nr, 0x55);
    assert_int_equal(k.vcpu[0].mp.mp_state, KVM_MP_STATE_RUNNABLE);
    k.vcpu[0].events.interrupt.injected = 0;
    turn(0);
    assert_int_equal(k.vcpu[0].set_events, 1);
    fake_kvm_fini();
}

/* Each of these holds an interrupt off; without it, it goes in. */
static void
hold_off(int which, bool on)
{
    struct kvm_vcpu_events *ev = &k.vcpu[0].events;

    switch (which) {
    case 0:
        k.vcpu[0].regs.rflags = on ? 0x2 : 0x202;
        break;
    case 1:
        ev->interrupt.shadow = on;
        break;
    case 2:
        ev->exception.injected = on;
        break;
    case 3:
        ev->exception.pending = on;
        break;
    case 4:
        ev->nmi.injected = on;
        break;
    default:
        ev->interrupt.injected = on;
        break;
    }
}

static void
auto_eoi_waits_until_the_guest_can_take_it(void **state)
{
    struct enlk_counters counters;

    (void)state;
    for (int which = 0; which < 6; which++) {
        fake_kvm_init(ENLK_USER, 1, 0);
        hold_off(which, true);
        raise(0, 0x60, true);
        turn(0);
        assert_int_equal(k.vcpu[0].set_events, 0);
        hold_off(which, false);
        turn(0);
        assert_int_equal(k.vcpu[0].set_events, 1);
        assert_int_equal(k.vcpu[0].events.interrupt.nr, 0x60);
        enlk_engine_counters(k.engine, &counters);
        assert_int_equal(counters.auto_eoi, 1);
        assert_int_equal(counters.auto_eoi_late, 1);
        fake_kvm_fini();
    }
}

static void
auto_eoi_waits_for_an_access_to_be_finished(void **state)
{
    uint64_t value;

    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    assert_int_equal(fake_kvm_rdmsr(0, ENL_MSR_VP_INDEX, &value), 0);
    raise(0, 0x60, true);
    enlk_vcpu_enter(k.engine, 0);
    assert_int_equal(k.vcpu[0].run->immediate_exit, 1);
    assert_int_equal(k.vcpu[0].set_events, 0);
    enlk_vcpu_leave(k.engine, 0);
    turn(0);
    assert_int_equal(k.vcpu[0].set_events, 1);
    fake_kvm_fini();
}

static void
auto_eoi_highest_vector_first_and_none_is_lost(void **state)
{
    static const uint8_t order[] = {0xFE, 0x80, 0x7F, 0x31};

    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    for (size_t i = 4; i-- > 0;)
        raise(0, order[i], true);
    for (size_t i = 0; i < 4; i++) {
        turn(0);
        assert_int_equal(k.vcpu[0].events.interrupt.nr, order[i]);
        k.vcpu[0].events.interrupt.injected = 0;
    }
    turn(0);
    assert_int_equal(k.vcpu[0].set_events, 4);
    fake_kvm_fini();
}

static void
sint_has_a_gsi_for_each_vp(void **state)
{
    uint32_t sints = 0, pins = 0;

    (void)state;
    fake_kvm_init(ENLK_KERNEL, 3, 0);
    for (uint32_t i = 0; i < k.route_count; i++) {
        pins += k.routes[i].type == KVM_IRQ_ROUTING_IRQCHIP;
        if (k.routes[i].type != KVM_IRQ_ROUTING_HV_SINT)
            continue;
        sints++;
        enlk_engine_ops(k.engine)->raise_sint(k.engine, k.routes[i].u.hv_sint.vcpu,
                                              k.routes[i].u.hv_sint.sint);
        assert_int_equal(k.line.irq, k.routes[i].gsi);
        assert_int_equal(k.line.level, 1);
        assert_true(k.routes[i].gsi >= 24);
    }
    assert_int_equal(sints, 3 * 16);
    assert_int_equal(pins, 16 + 24);
    assert_int_equal(k.irqfds, 3);
    assert_int_equal(k.irqfd[1].flags, KVM_IRQFD_FLAG_RESAMPLE);
    fake_kvm_fini();
}

/* KVM takes 4096 routes, whatever they are for. */
static void
sint_routes_fit_behind_the_others(void **state)
{
    (void)state;
    fake_kvm_init_routes(4, 4096 - 4 * 16);
    assert_int_equal(k.route_count, 4096);
    fake_kvm_fini();
    fake_kvm_init_routes(4, 4096 - 4 * 16 + 1);
    assert_int_equal(k.route_count, 4096 - 3);
    fake_kvm_fini();
    fake_kvm_init_routes(1, 4093);
    assert_int_equal(k.route_count, 4096);
    fake_kvm_fini();
}

static void
no_kick(void *ctx, uint32_t vp)
{
    (void)ctx;
    (void)vp;
}

static void
no_event(void *ctx, const struct enlh_event *event)
{
    (void)ctx;
    (void)event;
}

static int
create(uint32_t vp_count, uint32_t route_count)
{
    const struct enlk_callbacks callbacks = {sizeof(callbacks), no_kick, no_event, NULL};
    struct enlk_engine *engine;
    struct enlk_config config;
    int err;

    enlk_config_defaults(&config);
    config.kind = ENLK_KERNEL;
    config.vm_fd = k.vm_fd;
    config.vp_count = vp_count;
    config.routes = k.routes;
    config.route_count = route_count;
    err = enlk_engine_create(&config, &k.caps, &callbacks, NULL, &engine);
    if (!err)
        enlk_engine_destroy(engine);
    return err;
}

static void
sint_of_the_bus_has_a_route_or_there_is_no_engine(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_KERNEL, 1, 0);
    assert_int_equal(create(1, 4093), 0);
    assert_int_equal(create(1, 4094), -ENL_E_INVAL);
    assert_int_equal(create(1, UINT32_MAX), -ENL_E_INVAL);
    assert_int_equal(create((4096 - 40) / 3, 0), 0); /* KVM's pins have 40 */
    assert_int_equal(create((4096 - 40) / 3 + 1, 0), -ENL_E_INVAL);
    fake_kvm_fini();
}

static void
tell_synic(uint32_t vp)
{
    struct kvm_run *run = k.vcpu[vp].run;

    run->exit_reason = KVM_EXIT_HYPERV;
    run->hyperv.type = KVM_EXIT_HYPERV_SYNIC;
    run->hyperv.u.synic.control = 1;
    run->hyperv.u.synic.msg_page = SIMP_GPA | 1;
    run->hyperv.u.synic.evt_page = 0;
    assert_int_equal(fake_kvm_exit(vp), ENLK_EXIT_HANDLED);
}

/* Acknowledge as KVM does, and let the loop look. */
static void
acknowledge(uint32_t vp)
{
    uint64_t one = 1;

    assert_int_equal(write((int)k.irqfd[vp].resamplefd, &one, sizeof(one)), sizeof(one));
    enlk_engine_dispatch(k.engine);
}

static void
sint_acknowledgement_is_heard_only_while_a_message_waits(void **state)
{
    struct enlh_vp *vp;
    struct enl_message *slot;

    (void)state;
    fake_kvm_init(ENLK_KERNEL, 1, 0);
    tell_synic(0);
    vp = enlh_partition_vp(k.partition, 0);
    slot = (struct enl_message *)(void *)(k.memory + SIMP_GPA) + ENL_SINT_VMBUS;
    k.kicks[0] = 0;
    acknowledge(0);
    assert_int_equal(k.kicks[0], 0);
    assert_int_equal(enlh_vp_post_message(vp, ENL_SINT_VMBUS, 1, 0, "a", 1), 0);
    turn(0);
    assert_int_equal(slot->type, 1);
    assert_int_equal(enlh_vp_post_message(vp, ENL_SINT_VMBUS, 2, 0, "b", 1), 0);
    turn(0);
    assert_int_equal(slot->type, 1);
    assert_int_equal(slot->flags & ENL_MESSAGE_FLAG_PENDING, ENL_MESSAGE_FLAG_PENDING);
    slot->type = 0;
    k.kicks[0] = 0;
    acknowledge(0);
    assert_true(k.kicks[0] > 0);
    turn(0);
    assert_int_equal(slot->type, 2);
    fake_kvm_fini();
}

static void
doorbell_by_port_and_by_hypercall(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    assert_int_equal(enlk_doorbell_add(k.engine, 0x2005, 9), 0);
    assert_int_equal(k.ioeventfd.datamatch, 0x2005);
    assert_int_equal(k.ioeventfd.addr, 0xE8);
    assert_int_equal(k.ioeventfd.len, 4);
    assert_int_equal(k.ioeventfd.flags,
                     KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH);
    enlk_doorbell_remove(k.engine, 0x2005, 9);
    assert_true(k.ioeventfd.flags & KVM_IOEVENTFD_FLAG_DEASSIGN);
    fake_kvm_fini();
    fake_kvm_init(ENLK_KERNEL, 1, 0);
    assert_int_equal(enlk_doorbell_add(k.engine, 0x2005, 9), 0);
    assert_int_equal(k.hv_eventfd.conn_id, 0x2005);
    assert_int_equal(k.hv_eventfd.fd, 9);
    assert_int_equal(k.hv_eventfd.flags, 0);
    enlk_doorbell_remove(k.engine, 0x2005, 9);
    assert_int_equal(k.hv_eventfd.flags, KVM_HYPERV_EVENTFD_DEASSIGN);
    fake_kvm_fini();
}

static void
doorbell_refusals_are_told_apart(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    assert_int_equal(enlk_doorbell_add(k.engine, 0x1000000, 9), -ENL_E_INVAL);
    assert_int_equal(enlk_doorbell_add(k.engine, 0x2005, -1), -ENL_E_INVAL);
    k.doorbell_error = EEXIST;
    assert_int_equal(enlk_doorbell_add(k.engine, 0x2005, 9), -ENL_E_EXIST);
    k.doorbell_error = ENOSPC;
    assert_int_equal(enlk_doorbell_add(k.engine, 0x2005, 9), -ENL_E_NOSPC);
    fake_kvm_fini();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interrupt_is_one_msi),
        cmocka_unit_test(auto_eoi_bypasses_the_lapic),
        cmocka_unit_test(auto_eoi_waits_until_the_guest_can_take_it),
        cmocka_unit_test(auto_eoi_waits_for_an_access_to_be_finished),
        cmocka_unit_test(auto_eoi_highest_vector_first_and_none_is_lost),
        cmocka_unit_test(sint_has_a_gsi_for_each_vp),
        cmocka_unit_test(sint_routes_fit_behind_the_others),
        cmocka_unit_test(sint_of_the_bus_has_a_route_or_there_is_no_engine),
        cmocka_unit_test(sint_acknowledgement_is_heard_only_while_a_message_waits),
        cmocka_unit_test(doorbell_by_port_and_by_hypercall),
        cmocka_unit_test(doorbell_refusals_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
