/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/platform.c - the few devices of a PC: serial line, clock, sleep and reset registers
 *
 * Run by the guest's port accesses, on its vCPU's thread. S5 ends the machine, S4 too (the
 * guest has written its memory to its disk); a reset is left to the loop. Interrupt lines
 * go to the IOAPIC within KVM.
 * Tests: test/unit/vmm_pio.c, vmm_serial.c, vmm_rtc.c; test/os (B03, B08).
 */
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/acpi.h"
#include "vmm/internal.h"

#define COM1_PORT 0x3F8u
#define COM1_IRQ  4u

static void
serial_line(void *ctx, bool high)
{
    struct enlm_machine *machine = ctx;
    struct kvm_irq_level level;

    memset(&level, 0, sizeof(level));
    level.irq = COM1_IRQ;
    level.level = high;
    ioctl(machine->vm_fd, KVM_IRQ_LINE, &level);
}

static bool
serial_send(void *ctx, uint8_t byte)
{
    struct enlm_machine *machine = ctx;

    return enlm_console_send(&machine->console, byte);
}

static void
serial_drained(void *ctx)
{
    enlm_machine_ask(ctx, ENLM_ASK_CONSOLE);
}

static time_t
host_time(void *ctx)
{
    (void)ctx;
    return time(NULL);
}

/* ---- sleep and reset ---- */

static uint8_t
read_power(void *ctx, uint16_t offset)
{
    (void)ctx;
    (void)offset;
    return 0;
}

static void
write_power(void *ctx, uint16_t offset, uint8_t value)
{
    struct enlm_machine *machine = ctx;
    uint32_t type = ENLM_ACPI_SLEEP_TYPE(value);

    if (offset == ENLM_ACPI_RESET && value == ENLM_ACPI_RESET_VALUE)
        enlm_machine_end(machine, ENLM_END_RESET);
    if (offset != ENLM_ACPI_SLEEP || !(value & ENLM_ACPI_SLEEP_ENABLE))
        return;
    if (type == ENLM_ACPI_S5 || (type == ENLM_ACPI_S4 && machine->config.acpi_s4))
        enlm_machine_end(machine, ENLM_END_SHUTDOWN);
}

/* ---- life ---- */

static int
add_ports(struct enlm_machine *machine)
{
    const struct enlm_pio_range ranges[] = {
        {COM1_PORT, ENLM_SERIAL_PORTS, enlm_serial_read, enlm_serial_write,
         &machine->serial},
        {ENLM_RTC_PORT, ENLM_RTC_PORTS, enlm_rtc_read, enlm_rtc_write, &machine->rtc},
        {ENLM_ACPI_PORT, ENLM_ACPI_PORTS, read_power, write_power, machine},
    };
    int err = 0;

    for (size_t i = 0; !err && i < sizeof(ranges) / sizeof(ranges[0]); i++)
        err = enlm_pio_add(&machine->pio, &ranges[i]);
    return err;
}

int
enlm_platform_init(struct enlm_machine *machine)
{
    static const struct enlm_serial_ops ops = {serial_line, serial_send, serial_drained};
    int err = enlm_serial_init(&machine->serial, &ops, machine);

    if (err)
        return err;
    enlm_rtc_init(&machine->rtc, host_time, NULL);
    err = add_ports(machine);
    if (err)
        return err;
    return enlm_console_init(&machine->console, &machine->config, &machine->loop,
                             &machine->serial);
}

void
enlm_platform_fini(struct enlm_machine *machine)
{
    enlm_console_fini(&machine->console);
    enlm_serial_fini(&machine->serial);
}

void
enlm_platform_reset(struct enlm_machine *machine)
{
    enlm_serial_reset(&machine->serial);
    enlm_rtc_init(&machine->rtc, host_time, NULL);
}
