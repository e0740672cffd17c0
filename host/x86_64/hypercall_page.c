/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypercall page's code where the embedder traps a port write: made from the two port
 * numbers, laid into guest memory by the core. The guest runs it, with any registers, and
 * may run a copy; nothing is believed because the code was ours. All registers but RAX
 * (and flags) are as they were when it returns. [TLFS 3.4, 3.10, 3.13]
 *
 * The first instruction is ENDBR, so that a kernel with indirect branch tracking may call
 * the page. Seen: Linux 6.12 switches the tracking off when it is missing.
 * Tests: hypercall_page.
 */
#include <string.h>

#include "enlight/host/x86_64.h"
#include "host/core/partition.h"
#include "host/core/vp.h"

#define FORM_64 0u
#define FORM_32 1u

static void
code_put(struct enlh_hypercall_code *code, const uint8_t *byte, uint32_t len)
{
    memcpy(&code->byte[code->len], byte, len);
    code->len += len;
}

/* out imm8, al; ret. The embedder has all registers as the guest gave them. */
static void
code_put_trap(struct enlh_hypercall_code *code, uint16_t trap_port)
{
    const uint8_t trap[] = {0xe6, (uint8_t)trap_port, 0xc3};

    code_put(code, trap, sizeof(trap));
}

/*
 * SignalEvent in registers: RCX is exactly 0x1005d, and RDX has no flag number. EAX and
 * EDX trade places for the OUT, as the port does not fit into its short form; RAX is 0
 * before that, so RDX comes back whole. What RDX has gained over the port is the result.
 */
static void
code_put_signal(struct enlh_hypercall_code *code, uint16_t signal_port)
{
    const uint8_t low = (uint8_t)signal_port;
    const uint8_t high = (uint8_t)(signal_port >> 8);
    const uint8_t signal[] = {
        0x48, 0x81, 0xf9, 0x5d, 0x00, 0x01, 0x00, /* cmp  rcx, 0x1005d */
        0x75, 22,                                 /* jne  trap */
        0x48, 0x89, 0xd0,                         /* mov  rax, rdx */
        0x48, 0xc1, 0xe8, 0x20,                   /* shr  rax, 32 */
        0x75, 13,                                 /* jnz  trap */
        0x92,                                     /* xchg eax, edx */
        0x66, 0xba, low,  high,                   /* mov  dx, port */
        0xef,                                     /* out  dx, eax */
        0x92,                                     /* xchg eax, edx */
        0x2d, low,  high, 0x00, 0x00,             /* sub  eax, port */
        0xc3,                                     /* ret */
    };

    code_put(code, signal, sizeof(signal));
}

void
enlh_x64_set_trap(struct enlh_partition *partition, const struct enlh_x64_trap *trap)
{
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    static const uint8_t endbr32[] = {0xf3, 0x0f, 0x1e, 0xfb};
    struct enlh_hypercall_code code64 = {.len = 0};
    struct enlh_hypercall_code code32 = {.len = 0};

    ENLH_BUG_ON(partition, trap->trap_port > 0xff);
    code_put(&code64, endbr64, sizeof(endbr64));
    if (trap->signal_port != 0)
        code_put_signal(&code64, trap->signal_port);
    code_put_trap(&code64, trap->trap_port);
    code_put(&code32, endbr32, sizeof(endbr32));
    code_put_trap(&code32, trap->trap_port);
    enlh_hypercall_set_code(partition, FORM_64, &code64);
    enlh_hypercall_set_code(partition, FORM_32, &code32);
}

void
enlh_x64_set_long_mode(struct enlh_vp *vp, bool long_mode)
{
    vp->code_form = long_mode ? FORM_64 : FORM_32;
}
