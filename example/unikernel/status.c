/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.c - the page on port 80: what the kernel stands on, and what has passed
 *
 * Run by whichever processor has the connection: everything here is only read.
 */
#include "stack.h"
#include "unikernel.h"

uint32_t
status_page(char *to, uint32_t room)
{
    const struct enlg_features *f = enlg_partition_features(&partition);
    struct text page = {to, to + room};

    text_add(&page, "A kernel on libenlight-guest\n\n");
    text_add(&page, "hypervisor: Hyper-V %u.%u, build %u\n", f->major, f->minor,
             f->build);
    text_add(&page, "processors: %u, this page by number %u\n", cpu_count,
             cpu_this()->index);
    text_add(&page, "uptime: %lu ms\n", (unsigned long)(clock_now() / MS_100NS));
    bus_status(&page);
    services_status(&page);
    disk_status(&page);
    net_status(&page);
    return (uint32_t)(page.at - to);
}
