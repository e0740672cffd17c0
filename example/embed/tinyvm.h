/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinyvm.h - what the two halves of tinyvm know of each other
 *
 * tinyvm is a stranger's VMM in a stranger's style: K&R with tabs, camelCase, one global
 * machine with one processor, errx() on every error, unused parameters left unused. That is
 * the point. It uses nothing of the tree around it but what "make install" puts in place.
 */
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

struct machine {
	int kvm, vm, cpu;	/* descriptors */
	struct kvm_run *run;	/* the processor's page */
	uint8_t *ram;		/* RAM_SIZE bytes from guest address 0 on */
};
#define RAM_SIZE	((size_t)512 << 20)

extern struct machine m;
void kickCpu(void);

/* hyperv.c: all that VMBus takes */
extern struct enlk_engine *engine;
void hvSetup(int userEngine);
void hvLoop(void) __attribute__((noreturn));
