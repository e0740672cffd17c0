/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/boot.S - from the PVH entry to C, on every processor; the way into trap_handle()
 *
 * Entered by the VMM in 32-bit protected mode without paging, EBX at the start info; by
 * SIPI in real mode. The first 4 GiB are mapped where they are. [Xen, docs/misc/pvh]
 */
#define CODE64 0x08
#define DATA   0x10
#define CODE32 0x18

#define STACK_SHIFT 14
#define CPUS_MAX    16
#define MSR_EFER    0xc0000080

    .section .note.pvh, "a"
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long boot_start

    .text
    .code32
    .globl boot_start
boot_start:
    cld
    mov $boot_stacks + (1 << STACK_SHIFT), %esp
    mov %ebx, boot_info
    /* 4 GiB in pages of 2 MiB: present, writable. */
    mov $pages_2m, %edi
    mov $0x83, %eax
    mov $2048, %ecx
1:  mov %eax, (%edi)
    movl $0, 4(%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    mov $pages_2m + 3, %eax
    mov $pages_1g, %edi
    mov $4, %ecx
2:  mov %eax, (%edi)
    add $0x1000, %eax
    add $8, %edi
    loop 2b
    movl $pages_1g + 3, boot_cr3
    lgdt gdt_pointer
    xor %esi, %esi
    jmp long_mode

/* ESI: this processor's number. */
long_mode:
    mov %cr4, %eax
    or $0x620, %eax /* PAE, OSFXSR, OSXMMEXCPT */
    mov %eax, %cr4
    mov $boot_cr3, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    and $0x9ffffff3, %eax /* no EM, TS; caches on */
    or $0x80000023, %eax  /* PG, NE, MP, PE */
    mov %eax, %cr0
    ljmp $CODE64, $long_entry

    .code64
long_entry:
    mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    lea 1(%rsi), %rsp
    shl $STACK_SHIFT, %rsp
    add $boot_stacks, %rsp
    mov %esi, %edi
    call smp_entry
    ud2

/* ---- application processors: copied to page 8, entered in real mode ---- */

    .globl ap_start, ap_start_end
    .code16
ap_start:
    cli
    cld
    xor %ax, %ax
    mov %ax, %ds
    lgdtl 0x8000 + (ap_gdt_pointer - ap_start)
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $CODE32, $ap_protected
ap_gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt
ap_start_end:

    .code32
ap_protected:
    mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov ap_index, %esi
    jmp long_mode

/* ---- faults and interrupts ---- */

    .code64
    .globl trap_stubs
    .balign 16
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    push $0
    .endif
    push $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

trap_common:
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    cld
    mov %rsp, %rdi
    mov %rsp, %rbp
    and $-16, %rsp
    call trap_handle
    mov %rbp, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp
    iretq

/* ---- data ---- */

    .data
    .balign 16
gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 08 code, 64-bit */
    .quad 0x00cf93000000ffff /* 10 data */
    .quad 0x00cf9b000000ffff /* 18 code, 32-bit */
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt, 0

    .globl boot_info, ap_index
boot_info:
    .quad 0
ap_index:
    .long 0

    .bss
    .balign 4096
    .globl boot_cr3, pages_1g, pages_2m
boot_cr3:
    .skip 4096
pages_1g:
    .skip 4096
pages_2m:
    .skip 4 * 4096
boot_stacks:
    .skip CPUS_MAX << STACK_SHIFT

    .section .note.GNU-stack, "", @progbits
