/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/vcpu.c - a thread for each vCPU: enter, run, look at the exit
 *
 * Run by the guest, through KVM. A kick sets immediate_exit and, if the vCPU may be within
 * KVM_RUN, sends a signal; the thread clears immediate_exit before it looks for work, so a
 * kick is never lost. Processors other than the first wait for INIT and SIPI within KVM.
 * Exits that neither the engine nor the port table knows end the machine with a sentence.
 * Tests: test/os.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/internal.h"
#include "vmm/thread.h"

#define KICK_SIGNAL SIGRTMIN

int
enlm_vcpu_init(struct enlm_machine *machine, uint32_t index)
{
    struct enlm_vcpu *vcpu = &machine->vcpus[index];
    void *run;

    vcpu->machine = machine;
    vcpu->index = index;
    vcpu->run_len = machine->run_len;
    vcpu->fd = ioctl(machine->vm_fd, KVM_CREATE_VCPU, (unsigned long)index);
    if (vcpu->fd < 0)
        return -ENL_E_IO;
    run = mmap(NULL, vcpu->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
    if (run == MAP_FAILED)
        return -ENL_E_IO;
    vcpu->run = run;
    return 0;
}

void
enlm_vcpu_fini(struct enlm_vcpu *vcpu)
{
    if (vcpu->run)
        munmap(vcpu->run, vcpu->run_len);
    if (vcpu->fd >= 0)
        close(vcpu->fd);
    free(vcpu->first_state);
}

/* ---- kicks and pauses ---- */

static void
on_kick(int number)
{
    (void)number; /* its coming is all */
}

/*
 * The work that the kick is about was stored before. Either the thread sees that work when
 * it looks for it, or this sees it inside.
 */
void
enlm_vcpu_kick(struct enlm_vcpu *vcpu)
{
    uint8_t old = __atomic_exchange_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);

    /* One signal for each turn is enough. */
    if (!old && atomic_load(&vcpu->inside))
        syscall(SYS_tgkill, getpid(), atomic_load(&vcpu->tid), KICK_SIGNAL);
}

static void
kick_all(struct enlm_machine *machine)
{
    for (uint32_t i = 0; i < machine->config.cpus; i++) {
        if (machine->vcpus[i].is_started)
            enlm_vcpu_kick(&machine->vcpus[i]);
    }
}

/* The kernel has failed: nothing to run, until the loop decides. */
static void
wait_for_orders(struct enlm_machine *machine)
{
    pthread_mutex_lock(&machine->lock);
    while (!atomic_load(&machine->pause) && !atomic_load(&machine->leave))
        pthread_cond_wait(&machine->changed, &machine->lock);
    pthread_mutex_unlock(&machine->lock);
}

static void
order(struct enlm_machine *machine, _Atomic bool *flag)
{
    pthread_mutex_lock(&machine->lock);
    atomic_store(flag, true);
    pthread_cond_broadcast(&machine->changed);
    pthread_mutex_unlock(&machine->lock);
    kick_all(machine);
}

static void
park(struct enlm_machine *machine)
{
    pthread_mutex_lock(&machine->lock);
    machine->parked++;
    pthread_cond_broadcast(&machine->changed);
    while (atomic_load(&machine->pause))
        pthread_cond_wait(&machine->changed, &machine->lock);
    machine->parked--;
    pthread_cond_broadcast(&machine->changed);
    pthread_mutex_unlock(&machine->lock);
}

static uint32_t
started(const struct enlm_machine *machine)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < machine->config.cpus; i++)
        n += machine->vcpus[i].is_started;
    return n;
}

void
enlm_vcpu_pause_all(struct enlm_machine *machine)
{
    if (machine->pauses++)
        return;
    order(machine, &machine->pause);
    pthread_mutex_lock(&machine->lock);
    while (machine->parked < started(machine))
        pthread_cond_wait(&machine->changed, &machine->lock);
    pthread_mutex_unlock(&machine->lock);
}

static void
resume(struct enlm_machine *machine)
{
    pthread_mutex_lock(&machine->lock);
    atomic_store(&machine->pause, false);
    pthread_cond_broadcast(&machine->changed);
    while (machine->parked)
        pthread_cond_wait(&machine->changed, &machine->lock);
    pthread_mutex_unlock(&machine->lock);
}

/* A command of the control socket may come while a reset waits for workers. */
void
enlm_vcpu_resume_all(struct enlm_machine *machine)
{
    if (--machine->pauses == 0)
        resume(machine);
}

void
enlm_vcpu_end_all(struct enlm_machine *machine)
{
    order(machine, &machine->leave);
    machine->pauses = 0;
    if (atomic_load(&machine->pause))
        resume(machine);
    for (uint32_t i = 0; i < machine->config.cpus; i++) {
        if (machine->vcpus[i].is_started)
            pthread_join(machine->vcpus[i].thread, NULL);
        machine->vcpus[i].is_started = false;
    }
}

/* ---- exits ---- */

static void
port_exit(struct enlm_vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    const struct enlm_pio *pio = &vcpu->machine->pio;

    for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
        if (run->io.direction == KVM_EXIT_IO_IN)
            enlm_pio_read(pio, run->io.port, data, run->io.size);
        else
            enlm_pio_write(pio, run->io.port, data, run->io.size);
    }
}

/* Nothing is there: reads are ones, writes go nowhere. */
static void
mmio_exit(struct kvm_run *run)
{
    if (!run->mmio.is_write)
        memset(run->mmio.data, 0xFF, sizeof(run->mmio.data));
}

static void
internal_error(struct enlm_vcpu *vcpu)
{
    struct kvm_regs regs;

    memset(&regs, 0, sizeof(regs));
    ioctl(vcpu->fd, KVM_GET_REGS, &regs);
    enlm_machine_fail(
        vcpu->machine, "KVM cannot go on with vCPU %u at rip 0x%llx: internal error %u",
        vcpu->index, (unsigned long long)regs.rip, vcpu->run->internal.suberror);
}

static void
handle(struct enlm_vcpu *vcpu)
{
    struct enlm_machine *machine = vcpu->machine;
    struct kvm_run *run = vcpu->run;

    if (enlk_vcpu_exit(machine->engine, vcpu->index) == ENLK_EXIT_HANDLED)
        return;
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        port_exit(vcpu);
        break;
    case KVM_EXIT_MMIO:
        mmio_exit(run);
        break;
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
        run->msr.error = 1;
        break;
    case KVM_EXIT_INTR:
        break;
    case KVM_EXIT_SHUTDOWN:
        enlm_machine_end(machine, ENLM_END_TRIPLE_FAULT);
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        internal_error(vcpu);
        break;
    case KVM_EXIT_FAIL_ENTRY:
        enlm_machine_fail(
            machine, "the processor refused to run vCPU %u: reason 0x%llx", vcpu->index,
            (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
        break;
    default:
        enlm_machine_fail(machine, "vCPU %u: exit %u of KVM is not known here",
                          vcpu->index, run->exit_reason);
        break;
    }
}

/* ---- the thread ---- */

/* Returns false when the kernel has failed. */
static bool
run_once(struct enlm_vcpu *vcpu)
{
    struct enlm_machine *machine = vcpu->machine;
    int ret, err;

    __atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    atomic_store(&vcpu->inside, true);
    if (atomic_load(&machine->pause) || atomic_load(&machine->leave)) {
        atomic_store(&vcpu->inside, false);
        return true;
    }
    enlk_vcpu_enter(machine->engine, vcpu->index);
    ret = ioctl(vcpu->fd, KVM_RUN, 0);
    err = errno;
    enlk_vcpu_leave(machine->engine, vcpu->index);
    atomic_store(&vcpu->inside, false);
    if (ret == 0) {
        handle(vcpu);
        return true;
    }
    if (err == EINTR || err == EAGAIN)
        return true;
    enlm_machine_fail(machine, "vCPU %u: KVM_RUN: %s", vcpu->index, strerror(err));
    return false;
}

/*
 * KVM has the rest of the last exit still to do, such as the step over an MSR access, and
 * does it when it is entered again: before anybody looks at the registers, or sets them.
 */
static void
finish_exit(struct enlm_vcpu *vcpu)
{
    __atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    while (ioctl(vcpu->fd, KVM_RUN, 0) == 0)
        handle(vcpu);
}

static void *
run(void *ctx)
{
    struct enlm_vcpu *vcpu = ctx;
    struct enlm_machine *machine = vcpu->machine;
    bool goes_on = true;

    atomic_store(&vcpu->tid, (int)syscall(SYS_gettid));
    while (!atomic_load(&machine->leave)) {
        if (atomic_load(&machine->pause)) {
            if (goes_on)
                finish_exit(vcpu);
            park(machine);
        } else if (goes_on) {
            goes_on = run_once(vcpu);
        } else {
            wait_for_orders(machine);
        }
    }
    return NULL;
}

static void
install_handler(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_kick;
    sigemptyset(&action.sa_mask);
    sigaction(KICK_SIGNAL, &action, NULL);
}

int
enlm_vcpu_start(struct enlm_vcpu *vcpu)
{
    int err;

    install_handler();
    err = enlm_thread_start(&vcpu->thread, run, vcpu, KICK_SIGNAL);
    vcpu->is_started = !err;
    return err;
}
