/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinyvm.c - a hobbyist's VMM: memory, one processor, a serial port that only sends
 *
 *	tinyvm kernel|user bzImage initrd "command line"
 *
 * Boots Linux by its 64-bit protocol. Of Hyper-V it knows four calls; hyperv.c has the rest.
 */
#include "tinyvm.h"

#include <asm/bootparam.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <enlight/kvm/engine.h>

#include "dsdt.hex"

#define GDT		0x500
#define BOOT_PARAMS	0x7000
#define PAGE_TABLES	0x9000
#define CMDLINE		0x20000
#define ACPI		0xe0000
#define COM1		0x3f8
#define POWER		0x600	/* sleep; 0x601: status, 0x602: reset */

struct machine m;
static pthread_t cpuThread;

static int must(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static void *map(size_t size, int flags, int fd)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

/* Guest memory [at, at + len), or the end. */
static void *ram(uint64_t at, uint64_t len)
{
	if (at > RAM_SIZE || len > RAM_SIZE - at)
		errx(1, "the kernel or the initrd needs more guest memory");
	return m.ram + at;
}

/* ---- Linux into memory ---- */

static uint8_t *mapFile(const char *path, size_t *size)
{
	int fd = must(open(path, O_RDONLY), path);

	*size = (size_t)lseek(fd, 0, SEEK_END);
	return map(*size, MAP_PRIVATE, fd);
}

static uint64_t loadKernel(const char *path, struct setup_header *hdr)
{
	size_t size, code;
	uint8_t *file = mapFile(path, &size);

	if (size > 0x1000)
		memcpy(hdr, file + 0x1f1, sizeof *hdr);
	code = (hdr->setup_sects + 1u) * 512u;
	if (hdr->header != 0x53726448 || !(hdr->xloadflags & XLF_KERNEL_64) || code >= size ||
	    size - code > hdr->init_size)
		errx(1, "this kernel is no 64-bit bzImage");
	memcpy(ram(hdr->pref_address, hdr->init_size), file + code, size - code);
	hdr->type_of_loader = 0xff;
	hdr->cmd_line_ptr = CMDLINE;
	return hdr->pref_address + 0x200;
}

static uint64_t loadLinux(const char *kernel, const char *initrd, const char *cmdline)
{
	const struct boot_e820_entry e820[] = { { 0, 0xa0000, 1 }, { 0x100000, RAM_SIZE - 0x100000, 1 } };
	const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	struct boot_params *bp = ram(BOOT_PARAMS, sizeof *bp);
	uint64_t *pt = ram(PAGE_TABLES, 6 * 4096), entry = loadKernel(kernel, &bp->hdr);
	size_t size;
	uint8_t *file = mapFile(initrd, &size);

	bp->hdr.ramdisk_image = (uint32_t)(bp->hdr.pref_address + bp->hdr.init_size + 4095) & ~4095u;
	bp->hdr.ramdisk_size = (uint32_t)size;
	memcpy(ram(bp->hdr.ramdisk_image, size), file, size);
	snprintf(ram(CMDLINE, 2048), 2048, "%s", cmdline);
	bp->acpi_rsdp_addr = ACPI;
	memcpy(bp->e820_table, e820, sizeof e820);
	bp->e820_entries = 2;
	memcpy(ram(GDT, sizeof gdt), gdt, sizeof gdt);
	pt[0] = (PAGE_TABLES + 0x1000) | 3;	/* 4 GiB, one to one, in 2 MiB pages */
	for (uint64_t i = 0; i < 4; i++)
		pt[512 + i] = (PAGE_TABLES + 0x2000 + i * 0x1000) | 3;
	for (uint64_t i = 0; i < 2048; i++)
		pt[1024 + i] = i << 21 | 0x83;
	return entry;
}

/* ---- ACPI: all of it is constant but the checksums; iasl has made the DSDT ---- */

#define LE(x)	(x) & 0xff, (x) >> 8 & 0xff, (x) >> 16 & 0xff, (x) >> 24 & 0xff
#define PORT(x)	1, 8, 0, 1, LE(x)

static uint8_t acpi[0x1000] = {
	'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ', [15] = 2, [20] = 36, [24] = LE(ACPI + 0x100),
	[0x100] = 'X', 'S', 'D', 'T', 52, [0x108] = 1,
	[0x124] = LE(ACPI + 0x200), [0x12c] = LE(ACPI + 0x400),
	[0x200] = 'F', 'A', 'C', 'P', LE(276), 6,
	[0x26d] = 0x24,				/* neither VGA nor a clock */
	[0x270] = LE(1 << 20 | 1 << 10 | 0x31),	/* no fixed hardware, but a reset port: */
	[0x274] = PORT(POWER + 2), [0x280] = 1, [0x28c] = LE(ACPI + 0x1000),
	[0x2f4] = PORT(POWER), [0x300] = PORT(POWER + 1),
	[0x400] = 'A', 'P', 'I', 'C', 64, [0x408] = 5, [0x424] = LE(0xfee00000u),
	[0x42c] = 1, 12, 0, 0, LE(0xfec00000u),	/* the IOAPIC */
	[0x438] = 0, 8, 0, 0, 1,		/* the processor */
};

static void checksum(uint8_t *table, int len, int at)
{
	for (int i = 0; i < len; i++)
		if (i != at)
			table[at] = (uint8_t)(table[at] - table[i]);
}

static void makeAcpi(void)
{
	checksum(acpi, 20, 8);
	checksum(acpi, 36, 32);
	checksum(acpi + 0x100, 52, 9);
	checksum(acpi + 0x200, 276, 9);
	checksum(acpi + 0x400, 64, 9);
	memcpy(ram(ACPI, sizeof acpi), acpi, sizeof acpi);
	memcpy(ram(ACPI + 0x1000, sizeof dsdt_aml_code), dsdt_aml_code, sizeof dsdt_aml_code);
}

/* ---- ports: the sending half of a 16550, and power off ---- */

static struct { uint8_t reg[8], sent, line; } com;

static uint8_t comRead(int reg)
{
	if (reg == 2) {
		com.sent = 0;
		return com.line ? 0xc2 : 0xc1;
	}
	return reg == 0 ? 0 : reg == 5 ? 0x60 : reg == 6 ? 0xb0 : com.reg[reg];
}

static void comWrite(int reg, uint8_t value)
{
	if (reg < 2 && com.reg[3] & 0x80)
		return;		/* the divisor */
	if (reg == 0)
		com.sent = putchar(value) != EOF;
	if (reg == 1)
		com.sent |= (value &= 0x0f) & ~com.reg[1] & 2;
	com.reg[reg] = value;
}

static uint8_t portAccess(uint16_t port, int isWrite, uint8_t value)
{
	struct kvm_irq_level irq = { { 4 }, 0 };

	if (isWrite && ((port == POWER && value & 0x20) || port == POWER + 2)) {
		printf("tinyvm: the guest is off\n");
		exit(0);
	}
	if (port < COM1 || port >= COM1 + 8)
		return 0xff;
	if (isWrite)
		comWrite(port - COM1, value);
	else
		value = comRead(port - COM1);
	irq.level = com.sent && com.reg[1] & 2;
	if (irq.level != com.line)
		ioctl(m.vm, KVM_IRQ_LINE, &irq);
	com.line = (uint8_t)irq.level;
	return value;
}

/* ---- the processor ---- */

static void giveCpuid(void)
{
	struct kvm_cpuid2 *id = calloc(1, sizeof *id + 128 * sizeof id->entries[0]);

	id->nent = 128;
	must(ioctl(m.kvm, KVM_GET_SUPPORTED_CPUID, id), "KVM_GET_SUPPORTED_CPUID");
	for (struct kvm_cpuid_entry2 *e = id->entries; e < id->entries + id->nent; e++) {
		if (e->function == 1)
			e->ebx &= 0xffff;			/* APIC id 0 */
		else if (e->function == 0xb || e->function == 0x1f)
			e->eax = e->ebx = e->edx = 0;		/* no topology */
	}
	if (enlk_vcpu_set_cpuid(engine, 0, id))
		errx(1, "KVM takes no CPUID");
}

static void enterLinux(uint64_t entry)
{
	struct kvm_segment code = { 0, ~0u, 0x10, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1 };
	struct kvm_segment data = { 0, ~0u, 0x18, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1 };
	struct kvm_regs regs = { .rip = entry, .rsi = BOOT_PARAMS, .rflags = 2 };
	struct kvm_sregs s;

	must(ioctl(m.cpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.gdt = (struct kvm_dtable){ .base = GDT, .limit = 31 };
	s.cr0 = 0x80000031, s.cr3 = PAGE_TABLES, s.cr4 = 0x20, s.efer = 0x500;	/* long mode */
	must(ioctl(m.cpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
	must(ioctl(m.cpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

/* The flag first: a processor that is not in KVM_RUN yet leaves it at once. */
void kickCpu(void)
{
	__atomic_store_n(&m.run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(cpuThread, SIGUSR1);
}

static void onSignal(int number) {}

static void handleExit(struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		for (uint32_t i = 0; i < run->io.count * run->io.size; i++)
			data[i] = portAccess((uint16_t)(run->io.port + i % run->io.size),
				run->io.direction == KVM_EXIT_IO_OUT, data[i]);
		break;
	case KVM_EXIT_MMIO:
		memset(run->mmio.data, 0xff, sizeof run->mmio.data);
		break;
	case KVM_EXIT_INTR:
		break;
	default:
		errx(1, "exit %u of KVM is too much for me", run->exit_reason);
	}
}

static void *cpuMain(void *arg)
{
	int result, why;

	cpuThread = pthread_self();
	for (;;) {
		__atomic_store_n(&m.run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		enlk_vcpu_enter(engine, 0);
		result = ioctl(m.cpu, KVM_RUN, 0);
		why = errno;
		enlk_vcpu_leave(engine, 0);
		if (result == 0 && enlk_vcpu_exit(engine, 0) == ENLK_EXIT_NOT_MINE)
			handleExit(m.run);
		else if (result < 0 && why != EINTR && why != EAGAIN)
			errx(1, "KVM_RUN: %s", strerror(why));
	}
}

/* ---- all together ---- */

static void makeMachine(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = RAM_SIZE };

	m.kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	m.vm = must(ioctl(m.kvm, KVM_CREATE_VM, 0UL), "KVM_CREATE_VM");
	must(ioctl(m.vm, KVM_SET_TSS_ADDR, 0xfffbd000UL), "KVM_SET_TSS_ADDR");
	must(ioctl(m.vm, KVM_CREATE_IRQCHIP, 0UL), "KVM_CREATE_IRQCHIP");
	m.ram = map(RAM_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	region.userspace_addr = (uintptr_t)m.ram;
	must(ioctl(m.vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	m.cpu = must(ioctl(m.vm, KVM_CREATE_VCPU, 0UL), "KVM_CREATE_VCPU");
	m.run = map((size_t)must(ioctl(m.kvm, KVM_GET_VCPU_MMAP_SIZE, 0UL), "KVM"), MAP_SHARED, m.cpu);
}

int main(int argc, char **argv)
{
	struct sigaction kick = { .sa_handler = onSignal };

	if (argc != 5 || (strcmp(argv[1], "kernel") && strcmp(argv[1], "user")))
		errx(1, "usage: tinyvm kernel|user bzImage initrd \"command line\"");
	setvbuf(stdout, NULL, _IOLBF, 0);
	makeMachine();
	makeAcpi();
	enterLinux(loadLinux(argv[2], argv[3], argv[4]));
	hvSetup(argv[1][0] == 'u');
	giveCpuid();
	sigaction(SIGUSR1, &kick, NULL);
	if (pthread_create(&cpuThread, NULL, cpuMain, NULL))
		errx(1, "no thread");
	hvLoop();
}
