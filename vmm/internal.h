/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/internal.h - the machine, as its rooms see it
 */
#ifndef ENLIGHT_VMM_INTERNAL_H
#define ENLIGHT_VMM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "enlight/host/ic.h"
#include "enlight/host/kvp.h"
#include "enlight/host/storage.h"
#include "enlight/host/vmbus.h"
#include "enlight/host/vss.h"
#include "vmm/boot/boot.h"
#include "vmm/console.h"
#include "vmm/control/control.h"
#include "vmm/cpu.h"
#include "vmm/device.h"
#include "vmm/loop.h"
#include "vmm/machine.h"
#include "vmm/memory.h"
#include "vmm/pio.h"
#include "vmm/rtc.h"
#include "vmm/serial.h"
#include "vmm/settle.h"
#include "vmm/worker.h"

struct enlm_vcpu {
    struct enlm_machine *machine;
    uint32_t index;
    int fd;
    struct kvm_run *run;
    size_t run_len;
    pthread_t thread;
    bool is_started;
    _Atomic int tid;
    _Atomic bool inside; /* between the last look for work and the end of KVM_RUN */
    struct enlm_cpu_state *first_state;
};

/* What the loop is asked for, as bits of enlm_machine.asked. */
#define ENLM_ASK_VMBUS         (1u << 0) /* messages of the guest wait */
#define ENLM_ASK_POWERDOWN     (1u << 1)
#define ENLM_ASK_CONSOLE       (1u << 2) /* the serial line has room */
#define ENLM_ASK_TIME          (1u << 3) /* the time service is there: tell it the time */
#define ENLM_ASK_POWERDOWN_NEW (1u << 4) /* with POWERDOWN: somebody wants it */
#define ENLM_ASK_CONTROL       (1u << 5) /* news wait for the control socket */

enum enlm_heartbeat { ENLM_HEARTBEAT_NONE, ENLM_HEARTBEAT_OK, ENLM_HEARTBEAT_LOST };

/* What ended the run; NONE while it goes on. */
enum enlm_end {
    ENLM_END_NONE,
    ENLM_END_SHUTDOWN,
    ENLM_END_RESET,
    ENLM_END_CRASH,
    ENLM_END_TRIPLE_FAULT,
    ENLM_END_QUIT,
    ENLM_END_ERROR,
};

/* A SCSI controller: scsi.c. */
struct enlm_scsi {
    struct enlm_device device;
    struct enlh_storage *storage;
    uint32_t index;            /* in enlm_machine.scsi */
    struct enlm_settle settle; /* while it is leaving */
};

/* The integration services: services.c. NULL without VMBus. */
struct enlm_services {
    struct enlh_heartbeat *heartbeat;
    struct enlh_timesync *timesync;
    struct enlh_shutdown *shutdown;
    struct enlh_kvp *kvp;
    struct enlh_vss *vss;
    _Atomic uint32_t freeze_ticket, thaw_ticket; /* of who waits for it; 0: nobody */
    _Atomic bool frozen;
    _Atomic bool expired; /* the guest was thawed before somebody asked for it */
};

struct enlm_machine {
    struct enlm_machine_config config;
    struct enlh_config identity;
    char *cmdline, *kernel_name, *initrd_name;
    struct enlm_disk *disks;

    int kvm_fd, vm_fd;
    bool owns_kvm;
    struct enlk_caps caps;
    enum enlk_kind kind;
    struct enlk_engine *engine;
    struct enlm_memory memory;
    struct enlm_vcpu *vcpus;
    size_t run_len;
    struct kvm_irqchip chips[3]; /* as before the first run */
    struct enlm_entry entry;

    struct enlm_loop loop;
    struct enlm_pio pio;
    struct enlm_serial serial;
    struct enlm_rtc rtc;
    struct enlm_console_port console;

    struct enlh_partition *partition;
    struct enlh_vmbus *bus;
    struct enlm_worker_pool workers;
    struct enlm_device_list devices;
    struct enlm_scsi *scsi[ENLM_CONTROLLERS];
    uint32_t disk_number; /* of the next disk */
    struct enlm_nic *nics;
    bool owns_disks; /* what a disk or a NIC stands on is to be released */
    struct enlm_services services;
    struct enlm_control *control; /* NULL: no socket */
    bool stopped;                 /* by a user, with its clocks */
    _Atomic bool host_reset;      /* the reset that is under way is the host's */
    _Atomic int heartbeat;        /* enum enlm_heartbeat */

    _Atomic uint32_t asked; /* ENLM_ASK_ */
    _Atomic int end;        /* enum enlm_end */
    _Atomic bool time_sync; /* the next time is to be set, not sampled */
    bool powerdown_waits;   /* asked before the guest could hear */

    /* stopping all vCPUs: they wait for pause to become false */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    _Atomic bool pause, leave;
    uint32_t pauses; /* loop: how many want it */
    uint32_t parked;

    struct enlm_result report; /* under lock: crash and text, why */
    uint32_t resets;
};

/* log.c */
void enlm_log(struct enlm_machine *machine, enum enlh_log_level level, const char *format,
              ...) __attribute__((format(printf, 3, 4)));
void enlm_note(struct enlm_machine *machine, enum enlm_note note);
/* Tell the control socket's clients. Takes data. Thread: any. */
void enlm_tell(struct enlm_machine *machine, enum enlm_control_news news, json_t *data);
int enlm_refuse(char why[ENLM_WHY], int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* vcpu.c */
ENL_MUST_CHECK int enlm_vcpu_init(struct enlm_machine *machine, uint32_t index);
void enlm_vcpu_fini(struct enlm_vcpu *vcpu);
ENL_MUST_CHECK int enlm_vcpu_start(struct enlm_vcpu *vcpu);
void enlm_vcpu_kick(struct enlm_vcpu *vcpu);
/*
 * All vCPUs out of KVM_RUN and waiting; on again, once for each pause; ended and joined.
 * Thread: loop.
 */
void enlm_vcpu_pause_all(struct enlm_machine *machine);
void enlm_vcpu_resume_all(struct enlm_machine *machine);
void enlm_vcpu_end_all(struct enlm_machine *machine);

/* platform.c: the devices of a PC that this machine has. */
ENL_MUST_CHECK int enlm_platform_init(struct enlm_machine *machine);
void enlm_platform_fini(struct enlm_machine *machine);
void enlm_platform_reset(struct enlm_machine *machine);

/* devices.c: VMBus, and all that is on it. */
ENL_MUST_CHECK int enlm_devices_init(struct enlm_machine *machine, char why[ENLM_WHY]);
void enlm_devices_fini(struct enlm_machine *machine);
/* Take every channel back from the guest. Thread: loop, no vCPU runs. */
void enlm_devices_reset(struct enlm_machine *machine);

/* channels.c: their workers. */
extern const struct enlh_vmbus_ops enlm_channels_ops; /* ctx: the machine */
int enlm_channels_wake_fd(void *ctx, struct enlh_channel *channel);
int enlm_channels_watch(void *ctx, struct enlh_channel *channel, int fd);
void enlm_channels_unwatch(void *ctx, struct enlh_channel *channel, int fd);

/* scsi.c, disk.c, services.c: what the machine has at its start; one more of a kind. */
ENL_MUST_CHECK int enlm_scsi_init(struct enlm_machine *machine, char why[ENLM_WHY]);
/* id NULL: "scsi0" and so on. Returns 0, or an error with a sentence in why. Thread: loop. */
ENL_MUST_CHECK int enlm_scsi_add(struct enlm_machine *machine, uint32_t index,
                                 const char *id, char why[ENLM_WHY]);
ENL_MUST_CHECK int enlm_disk_init(struct enlm_machine *machine, char why[ENLM_WHY]);
/* Takes the disk when it succeeds. Returns as enlm_scsi_add(). Thread: loop. */
ENL_MUST_CHECK int enlm_disk_add(struct enlm_machine *machine,
                                 const struct enlm_disk *config, char why[ENLM_WHY]);
/* Give the disk with this id another size, and tell the guest. Returns as enlm_scsi_add(). */
ENL_MUST_CHECK int enlm_disk_resize(struct enlm_machine *machine, const char *id,
                                    uint64_t size, char why[ENLM_WHY]);
/* Unplug the disks of a controller; is there one that has not gone. Thread: loop. */
void enlm_disk_unplug_all(struct enlm_scsi *scsi);
bool enlm_disk_is_any(const struct enlm_scsi *scsi);
/* The controller is leaving, and its disks with it; it is gone. */
void enlm_disk_leave_all(struct enlm_scsi *scsi);
void enlm_disk_drop_all(struct enlm_scsi *scsi);
/* nic.c */
ENL_MUST_CHECK int enlm_nic_init(struct enlm_machine *machine, char why[ENLM_WHY]);
/* Takes the NIC when it succeeds. Returns 0, or an error with a sentence. Thread: loop. */
ENL_MUST_CHECK int enlm_nic_add(struct enlm_machine *machine,
                                const struct enlm_nic *config, char why[ENLM_WHY]);
/* Plug the cable of a NIC in or out. Returns 0, or -ENL_E_NOENT: no such NIC. Thread: loop. */
ENL_MUST_CHECK int enlm_nic_set_link(struct enlm_machine *machine, const char *id,
                                     bool up);
ENL_MUST_CHECK int enlm_services_init(struct enlm_machine *machine);
void enlm_services_fini(struct enlm_machine *machine);
/* A request that comes too early waits for the service to be ready. */
void enlm_services_powerdown(struct enlm_machine *machine);
void enlm_services_tell_time(struct enlm_machine *machine);

/* setup.c: KVM, memory, vCPUs, engine, partition; the loading of a kernel. */
ENL_MUST_CHECK int enlm_setup(struct enlm_machine *machine, char why[ENLM_WHY]);
void enlm_teardown(struct enlm_machine *machine);
ENL_MUST_CHECK int enlm_load(struct enlm_machine *machine, char why[ENLM_WHY]);
ENL_MUST_CHECK int enlm_rewind(struct enlm_machine *machine, char why[ENLM_WHY]);

/* machine.c */
/* Stop the guest and its clocks; let it go on. Thread: loop. */
void enlm_machine_stop(struct enlm_machine *machine);
void enlm_machine_cont(struct enlm_machine *machine);
void enlm_machine_ask(struct enlm_machine *machine, uint32_t what);
/* The first one counts. Thread: any. */
void enlm_machine_end(struct enlm_machine *machine, enum enlm_end end);
void enlm_machine_fail(struct enlm_machine *machine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void enlm_machine_event(void *ctx, const struct enlh_event *event);

#endif
