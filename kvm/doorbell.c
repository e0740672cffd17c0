/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm/doorbell.c - SignalEvent matched within the kernel, so that it costs no return here
 *
 * Run by the embedder's loop when a channel opens and closes. User engine: an ioeventfd on
 * the signal port whose value is the connection id. Kernel engine: KVM_HYPERV_EVENTFD. A
 * doorbell that cannot be had is no failure of the channel: the signal takes the long way.
 * Tests: test/unit/kvm_interrupt.c, test/os (K04: the counter of signal exits stays low).
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "enlight/abi/hypercall.h"
#include "kvm/internal.h"

static int
ring_by_port(struct enlk_engine *engine, uint32_t connection_id, int event_fd,
             bool remove)
{
    struct kvm_ioeventfd io;

    memset(&io, 0, sizeof(io));
    io.datamatch = connection_id;
    io.addr = engine->config.signal_port;
    io.len = 4;
    io.fd = event_fd;
    io.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH;
    if (remove)
        io.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
    return ioctl(engine->config.vm_fd, KVM_IOEVENTFD, &io);
}

static int
ring_by_hypercall(struct enlk_engine *engine, uint32_t connection_id, int event_fd,
                  bool remove)
{
    struct kvm_hyperv_eventfd hv;

    memset(&hv, 0, sizeof(hv));
    hv.conn_id = connection_id;
    hv.fd = event_fd;
    hv.flags = remove ? KVM_HYPERV_EVENTFD_DEASSIGN : 0;
    return ioctl(engine->config.vm_fd, KVM_HYPERV_EVENTFD, &hv);
}

static int
ring(struct enlk_engine *engine, uint32_t connection_id, int event_fd, bool remove)
{
    if (engine->config.kind == ENLK_KERNEL)
        return ring_by_hypercall(engine, connection_id, event_fd, remove);
    return ring_by_port(engine, connection_id, event_fd, remove);
}

int
enlk_doorbell_add(struct enlk_engine *engine, uint32_t connection_id, int event_fd)
{
    if (connection_id > ENL_CONNECTION_ID_MASK || event_fd < 0)
        return -ENL_E_INVAL;
    if (ring(engine, connection_id, event_fd, false) == 0)
        return 0;
    if (errno == EEXIST)
        return -ENL_E_EXIST;
    return errno == ENOSPC ? -ENL_E_NOSPC : -ENL_E_IO;
}

void
enlk_doorbell_remove(struct enlk_engine *engine, uint32_t connection_id, int event_fd)
{
    ring(engine, connection_id, event_fd, true);
}
