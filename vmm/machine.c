/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/machine.c - a machine's life: made, run, reset, ended
 *
 * Run by its owner. The calling thread of enlm_machine_run() is the loop; what other threads
 * want of it they leave as a bit and ring the bell. How a run ends is decided once, by the
 * first who says so; the loop then stops the vCPUs and either starts the guest anew or
 * returns.
 * Tests: test/os (X04 to X14).
 */
#include "vmm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/control/machine.h"
#include "vmm/internal.h"

#define DEFAULT_MEMORY  (UINT64_C(512) << 20)
#define CONTROL_TICK_MS 5000u

void
enlm_machine_config_defaults(struct enlm_machine_config *config)
{
    memset(config, 0, sizeof(*config));
    config->size = sizeof(*config);
    config->kvm_fd = config->kernel_fd = config->initrd_fd = config->console_fd = -1;
    config->control_fd = -1;
    config->memory = DEFAULT_MEMORY;
    config->cpus = 1;
    config->engine = ENLK_AUTO;
    config->console = ENLM_CONSOLE_NONE;
    config->log_level = ENLH_LOG_WARN;
    if (enlh_features_preset("linux", &config->features))
        memset(&config->features, 0, sizeof(config->features));
}

int
enlm_machine_probe(int kvm_fd, struct enlk_caps *caps, char why[ENLM_WHY])
{
    int fd = kvm_fd >= 0 ? kvm_fd : open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return enlm_refuse(why, -errno, "/dev/kvm: %s", strerror(errno));
    enlk_caps_probe(fd, -1, caps);
    if (fd != kvm_fd)
        close(fd);
    return 0;
}

/* ---- what others ask for ---- */

void
enlm_machine_ask(struct enlm_machine *machine, uint32_t what)
{
    /* Asked already and not yet looked at: the bell rings for both. */
    if (!(atomic_fetch_or(&machine->asked, what) & what))
        enlm_loop_ring(&machine->loop);
}

void
enlm_machine_end(struct enlm_machine *machine, enum enlm_end end)
{
    int now = atomic_load(&machine->end);

    /* A reset that is under way ends for whoever wants to end for good. */
    while ((now == ENLM_END_NONE || (now == ENLM_END_RESET && end != ENLM_END_RESET)) &&
           !atomic_compare_exchange_weak(&machine->end, &now, (int)end))
        ;
    enlm_loop_ring(&machine->loop);
}

void
enlm_machine_fail(struct enlm_machine *machine, const char *format, ...)
{
    va_list args;

    pthread_mutex_lock(&machine->lock);
    if (!machine->report.why[0]) {
        va_start(args, format);
        vsnprintf(machine->report.why, ENLM_WHY, format, args);
        va_end(args);
    }
    pthread_mutex_unlock(&machine->lock);
    enlm_machine_end(machine, ENLM_END_ERROR);
}

void
enlm_machine_powerdown(struct enlm_machine *machine)
{
    atomic_fetch_or(&machine->asked, ENLM_ASK_POWERDOWN | ENLM_ASK_POWERDOWN_NEW);
    enlm_loop_ring(&machine->loop);
}

void
enlm_machine_force_reset(struct enlm_machine *machine)
{
    atomic_store(&machine->host_reset, true);
    enlm_machine_end(machine, ENLM_END_RESET);
}

void
enlm_machine_quit(struct enlm_machine *machine)
{
    enlm_machine_end(machine, ENLM_END_QUIT);
}

static json_t *
crash_info(const struct enlm_machine *machine)
{
    const struct enlm_result *report = &machine->report;
    json_t *info = json_pack("{ss}", "type", "hyper-v"), *text;

    for (unsigned i = 0; i < 5; i++) {
        char name[8], value[24];

        snprintf(name, sizeof(name), "arg%u", i + 1);
        snprintf(value, sizeof(value), "0x%016llx", (unsigned long long)report->crash[i]);
        json_object_set_new(info, name, json_string(value));
    }
    /* The guest's bytes: what is no UTF-8 is not shown. */
    text = json_stringn(report->text, report->text_len);
    if (report->text_len && text)
        json_object_set(info, "text", text);
    json_decref(text);
    return info;
}

static void
tell_crash(struct enlm_machine *machine)
{
    const char *action = machine->config.on_crash_continue ? "run" : "poweroff";
    json_t *info;

    pthread_mutex_lock(&machine->lock);
    info = crash_info(machine);
    pthread_mutex_unlock(&machine->lock);
    enlm_tell(machine, ENLM_CONTROL_GUEST_PANICKED,
              json_pack("{ss, so}", "action", action, "info", info));
}

static void
report_crash(struct enlm_machine *machine, const struct enlh_event *event)
{
    struct enlm_result *report = &machine->report;
    size_t len = event->text ? event->text_len : 0;

    pthread_mutex_lock(&machine->lock);
    report->crashed = true;
    memcpy(report->crash, event->crash, sizeof(report->crash));
    report->text_len = len < sizeof(report->text) ? len : sizeof(report->text);
    if (len)
        memcpy(report->text, event->text, report->text_len);
    pthread_mutex_unlock(&machine->lock);
}

void
enlm_machine_event(void *ctx, const struct enlh_event *event)
{
    struct enlm_machine *machine = ctx;

    switch (event->kind) {
    case ENLH_EVENT_RESET:
        enlm_machine_end(machine, ENLM_END_RESET);
        break;
    case ENLH_EVENT_CRASH:
        report_crash(machine, event);
        tell_crash(machine);
        if (machine->config.on_crash_continue)
            enlm_note(machine, ENLM_NOTE_CRASHED);
        else
            enlm_machine_end(machine, ENLM_END_CRASH);
        break;
    case ENLH_EVENT_TRIPLE_FAULT:
        enlm_machine_end(machine, ENLM_END_TRIPLE_FAULT);
        break;
    }
}

/* ---- standing still ---- */

void
enlm_machine_stop(struct enlm_machine *machine)
{
    if (machine->stopped)
        return;
    enlm_vcpu_pause_all(machine);
    enlk_engine_freeze(machine->engine);
    machine->stopped = true;
    enlm_tell(machine, ENLM_CONTROL_STOPPED, NULL);
}

/* The guest's clocks have stood still and the world's have not: it is told the time. */
void
enlm_machine_cont(struct enlm_machine *machine)
{
    if (!machine->stopped)
        return;
    machine->stopped = false;
    enlk_engine_thaw(machine->engine);
    enlm_vcpu_resume_all(machine);
    enlm_tell(machine, ENLM_CONTROL_RESUME, NULL);
    atomic_store(&machine->time_sync, true);
    enlm_services_tell_time(machine);
}

/* ---- the loop ---- */

static void
rung(void *ctx)
{
    struct enlm_machine *machine = ctx;
    uint32_t asked = atomic_exchange(&machine->asked, 0);

    if ((asked & ENLM_ASK_VMBUS) && enlh_vmbus_poll(machine->bus))
        enlm_machine_ask(machine, ENLM_ASK_VMBUS);
    if (asked & ENLM_ASK_POWERDOWN_NEW)
        machine->powerdown_waits = true;
    if (asked & ENLM_ASK_POWERDOWN)
        enlm_services_powerdown(machine);
    if (asked & ENLM_ASK_CONSOLE)
        enlm_console_more(&machine->console);
    if (asked & ENLM_ASK_TIME)
        enlm_services_tell_time(machine);
    if ((asked & ENLM_ASK_CONTROL) && machine->control)
        enlm_control_deliver(machine->control);
}

static void
engine_ready(void *ctx)
{
    struct enlm_machine *machine = ctx;

    enlk_engine_dispatch(machine->engine);
}

static void
console_quit(void *ctx)
{
    enlm_machine_quit(ctx);
}

/* Returns true when the guest starts again: now, or when a user lets it. */
static bool
start_anew(struct enlm_machine *machine)
{
    int reset = ENLM_END_RESET;
    char why[ENLM_WHY];

    enlm_devices_reset(machine);
    machine->powerdown_waits = false;
    if (enlm_rewind(machine, why)) {
        enlm_machine_fail(machine, "the guest cannot start anew: %s", why);
        return false;
    }
    machine->resets++;
    if (!atomic_compare_exchange_strong(&machine->end, &reset, ENLM_END_NONE))
        return false;
    atomic_store(&machine->heartbeat, ENLM_HEARTBEAT_NONE);
    enlm_note(machine, ENLM_NOTE_RESET);
    enlm_tell(machine, ENLM_CONTROL_RESET,
              json_pack("{sb}", "guest", !atomic_exchange(&machine->host_reset, false)));
    enlm_vcpu_resume_all(machine);
    return true;
}

static void
loop(struct enlm_machine *machine)
{
    for (;;) {
        int end = atomic_load(&machine->end);

        if (end == ENLM_END_NONE) {
            enlm_loop_once(&machine->loop, -1);
            continue;
        }
        enlm_vcpu_pause_all(machine);
        if (end != ENLM_END_RESET || machine->config.no_reboot || !start_anew(machine))
            return;
    }
}

static enum enlm_outcome
outcome(int end)
{
    switch ((enum enlm_end)end) {
    case ENLM_END_SHUTDOWN:
        return ENLM_OUTCOME_SHUTDOWN;
    case ENLM_END_RESET:
        return ENLM_OUTCOME_RESET;
    case ENLM_END_CRASH:
        return ENLM_OUTCOME_CRASH;
    case ENLM_END_TRIPLE_FAULT:
        return ENLM_OUTCOME_TRIPLE_FAULT;
    case ENLM_END_QUIT:
        return ENLM_OUTCOME_QUIT;
    default:
        return ENLM_OUTCOME_ERROR;
    }
}

static void
tell_end(struct enlm_machine *machine)
{
    static const char *const reasons[] = {
        [ENLM_OUTCOME_SHUTDOWN] = "guest-shutdown",
        [ENLM_OUTCOME_RESET] = "guest-reset",
        [ENLM_OUTCOME_CRASH] = "guest-panic",
        [ENLM_OUTCOME_TRIPLE_FAULT] = "guest-triple-fault",
        [ENLM_OUTCOME_QUIT] = "host-quit",
        [ENLM_OUTCOME_ERROR] = "host-error",
    };
    enum enlm_outcome how = outcome(atomic_load(&machine->end));
    bool host = how == ENLM_OUTCOME_QUIT || how == ENLM_OUTCOME_ERROR;

    enlm_tell(machine, ENLM_CONTROL_SHUTDOWN,
              json_pack("{sb, ss}", "guest", !host, "reason", reasons[how]));
    if (machine->control)
        enlm_control_deliver(machine->control);
}

static int
start_vcpus(struct enlm_machine *machine)
{
    int err = 0;

    for (uint32_t i = 0; !err && i < machine->config.cpus; i++)
        err = enlm_vcpu_start(&machine->vcpus[i]);
    return err;
}

/* A write to a pipe that nobody reads is an error of that write, and no more. */
static void
block_sigpipe(sigset_t *old)
{
    sigset_t pipe;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, old);
}

void
enlm_machine_run(struct enlm_machine *machine, struct enlm_result *result)
{
    sigset_t old;

    block_sigpipe(&old);
    enlm_console_raw(&machine->console);
    if (start_vcpus(machine)) {
        enlm_machine_fail(machine, "no memory for the vCPU threads");
    } else {
        enlm_note(machine, ENLM_NOTE_STARTED);
        loop(machine);
    }
    enlm_vcpu_end_all(machine);
    tell_end(machine);
    enlm_console_flush(&machine->console);
    enlm_machine_restore_terminal();
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    *result = machine->report;
    result->outcome = outcome(atomic_load(&machine->end));
    result->resets = machine->resets;
}

/* ---- life ---- */

static int
check(const struct enlm_machine_config *config, char why[ENLM_WHY])
{
    if (config->size != sizeof(*config))
        return enlm_refuse(why, -ENL_E_INVAL, "a configuration of another version");
    if (config->cpus < 1 || config->cpus > ENLM_CPUS_MAX)
        return enlm_refuse(why, -ENL_E_INVAL, "%u CPUs: take 1 to %u", config->cpus,
                           ENLM_CPUS_MAX);
    if (config->kernel_fd < 0)
        return enlm_refuse(why, -ENL_E_INVAL, "there is no kernel");
    if (config->controllers > ENLM_CONTROLLERS)
        return enlm_refuse(why, -ENL_E_INVAL, "%u SCSI controllers: take up to %u",
                           config->controllers, ENLM_CONTROLLERS);
    for (size_t i = 0; i < config->disk_count; i++) {
        if (config->disks[i].controller >= ENLM_CONTROLLERS ||
            config->disks[i].lun >= ENLM_LUNS)
            return enlm_refuse(why, -ENL_E_INVAL,
                               "disk %zu: controllers are 0 to %u, LUNs 0 to %u", i,
                               ENLM_CONTROLLERS - 1, ENLM_LUNS - 1);
    }
    return 0;
}

static char *
copy_string(const char *from, bool *failed)
{
    char *copy = from ? strdup(from) : NULL;

    *failed |= from && !copy;
    return copy;
}

static int
copy_config(struct enlm_machine *machine, const struct enlm_machine_config *config)
{
    size_t len = config->disk_count * sizeof(*machine->disks);
    size_t nics_len = config->nic_count * sizeof(*machine->nics);
    bool failed = false;

    machine->config = *config;
    if (config->identity)
        machine->identity = *config->identity;
    else
        enlh_config_defaults(&machine->identity);
    machine->cmdline = copy_string(config->cmdline, &failed);
    machine->kernel_name = copy_string(config->kernel_name, &failed);
    machine->initrd_name = copy_string(config->initrd_name, &failed);
    machine->disks = malloc(len ? len : 1);
    machine->nics = malloc(nics_len ? nics_len : 1);
    machine->vcpus = calloc(config->cpus, sizeof(*machine->vcpus));
    if (failed || !machine->disks || !machine->nics || !machine->vcpus)
        return -ENL_E_NOMEM;
    if (len)
        memcpy(machine->disks, config->disks, len);
    if (nics_len)
        memcpy(machine->nics, config->nics, nics_len);
    for (uint32_t i = 0; i < config->cpus; i++)
        machine->vcpus[i].fd = -1;
    return 0;
}

static int
prepare(struct enlm_machine *machine, const struct enlm_machine_config *config)
{
    int err = copy_config(machine, config);

    if (err)
        return err;
    err = enlm_platform_init(machine);
    if (err)
        return err;
    machine->console.quit = console_quit;
    machine->console.ctx = machine;
    return 0;
}

static struct enlm_machine *
allocate(void)
{
    struct enlm_machine *machine = calloc(1, sizeof(*machine));

    if (!machine)
        return NULL;
    machine->kvm_fd = machine->vm_fd = machine->memory.fd = -1;
    if (pthread_mutex_init(&machine->lock, NULL) ||
        pthread_cond_init(&machine->changed, NULL) ||
        enlm_loop_init(&machine->loop, rung, machine)) {
        free(machine);
        return NULL;
    }
    return machine;
}

static void
control_tick(void *ctx)
{
    struct enlm_machine *machine = ctx;

    enlm_control_tick(machine->control);
}

static int
make_control(struct enlm_machine *machine)
{
    int err;

    if (machine->config.control_fd < 0)
        return 0;
    err = enlm_loop_every(&machine->loop, CONTROL_TICK_MS, control_tick, machine);
    if (err)
        return err;
    return enlm_control_create(&machine->loop, machine->config.control_fd,
                               &enlm_control_machine_ops, machine, &machine->control);
}

int
enlm_machine_create(const struct enlm_machine_config *config, struct enlm_machine **out,
                    char why[ENLM_WHY])
{
    struct enlm_machine *machine;
    int err = check(config, why);

    if (err)
        return err;
    machine = allocate();
    if (!machine)
        return enlm_refuse(why, -ENL_E_NOMEM, "no memory");
    err = prepare(machine, config);
    if (err)
        enlm_refuse(why, err, "no memory or descriptors");
    if (!err)
        err = enlm_setup(machine, why);
    if (!err) {
        err = enlm_loop_add(&machine->loop, enlk_engine_fd(machine->engine), engine_ready,
                            machine);
        if (!err)
            err = make_control(machine);
        if (err)
            enlm_refuse(why, err, "no descriptors");
    }
    if (err) {
        enlm_machine_destroy(machine);
        return err;
    }
    machine->owns_disks = true;
    *out = machine;
    return 0;
}

enum enlk_kind
enlm_machine_engine(const struct enlm_machine *machine)
{
    return machine->kind;
}

struct enlh_partition *
enlm_machine_partition(const struct enlm_machine *machine)
{
    return machine->partition;
}

void
enlm_machine_destroy(struct enlm_machine *machine)
{
    if (!machine)
        return;
    /* Channels have news until the last of them has gone. */
    enlm_control_close(machine->control);
    enlm_teardown(machine);
    enlm_control_destroy(machine->control);
    enlm_platform_fini(machine);
    enlm_loop_fini(&machine->loop);
    pthread_cond_destroy(&machine->changed);
    pthread_mutex_destroy(&machine->lock);
    free(machine->vcpus);
    free(machine->disks);
    free(machine->nics);
    free(machine->cmdline);
    free(machine->kernel_name);
    free(machine->initrd_name);
    free(machine);
}
