/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/kernel/boot.S - from the PVH entry to C, and what C cannot say
 *
 * Entered by the VMM in 32-bit protected mode without paging, EBX at the start info; by
 * SIPI in real mode. Everything below 4 GiB is mapped where it is, for user mode too, so
 * that a test can run the same code at any privilege. [Xen, docs/misc/pvh]
 */
#define CODE64 0x08
#define DATA   0x10
#define CODE32 0x18
#define USER64 0x23
#define USERDS 0x2b

#define STACK_SHIFT 14
#define MSR_EFER    0xc0000080

    .section .note.pvh, "a"
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long guest_start

    .text
    .code32
    .globl guest_start
guest_start:
    cld
    mov $boot_stacks + (1 << STACK_SHIFT), %esp
    mov %ebx, boot_info
    /* 4 GiB in pages of 2 MiB: present, writable, for user mode. */
    mov $pages_2m, %edi
    mov $0x87, %eax
    mov $2048, %ecx
1:  mov %eax, (%edi)
    movl $0, 4(%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    mov $pages_2m + 7, %eax
    mov $pages_1g, %edi
    mov $4, %ecx
2:  mov %eax, (%edi)
    add $0x1000, %eax
    add $8, %edi
    loop 2b
    movl $pages_1g + 7, boot_cr3
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
    call guest_main
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
    mov $1, %eax
    cpuid
    mov %ebx, %esi
    shr $24, %esi
    jmp long_mode

/*
 * Page 10, entered by SIPI: make a hypercall in real mode with the page at 0xb000, and say
 * at 0xa800 how that ended: 1 it returned, 2 #UD, 3 another fault.
 */
    .globl real_start, real_start_end
    .code16
real_start:
    cli
    cld
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0xaff0, %sp
    /* Vectors 0 to 15: "another fault", vector 6 its own. */
    mov $0xa000 + (real_fault - real_start), %ax
    xor %bx, %bx
    mov $16, %cx
3:  mov %ax, (%bx)
    movw $0, 2(%bx)
    add $4, %bx
    loop 3b
    movw $0xa000 + (real_ud - real_start), 24
    mov $0x5d, %cx
    xor %dx, %dx
    xor %ax, %ax
    push $0xa000 + (real_done - real_start)
    ljmp $0, $0xb000
real_done:
    movl $1, 0xa800
    jmp 4f
real_ud:
    movl $2, 0xa800
    jmp 4f
real_fault:
    movl $3, 0xa800
4:  hlt
    jmp 4b
real_start_end:

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

/*
 * int trap_catch(void (*fn)(void *), void *arg, uint64_t *resume): run fn. Returns -1, or
 * the vector of the fault that ended it. *resume holds the stack to go back to.
 */
    .globl trap_catch, trap_caught
trap_catch:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdx
    mov %rsp, (%rdx)
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    mov $-1, %eax
trap_caught:
    pop %rdx
    movq $0, (%rdx)
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* void call_raw(const void *code, struct call_regs *regs): all registers in and out. */
    .globl call_raw
call_raw:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rsi
    push %rdi
    mov %rsi, %rax
    mov 8(%rax), %rbx
    mov 16(%rax), %rcx
    mov 24(%rax), %rdx
    mov 32(%rax), %rsi
    mov 40(%rax), %rdi
    mov 48(%rax), %rbp
    mov 56(%rax), %r8
    mov 64(%rax), %r9
    mov 72(%rax), %r10
    mov 80(%rax), %r11
    mov 88(%rax), %r12
    mov 96(%rax), %r13
    mov 104(%rax), %r14
    mov 112(%rax), %r15
    mov (%rax), %rax
    call *(%rsp)
    push %rax
    mov 16(%rsp), %rax
    mov %rbx, 8(%rax)
    mov %rcx, 16(%rax)
    mov %rdx, 24(%rax)
    mov %rsi, 32(%rax)
    mov %rdi, 40(%rax)
    mov %rbp, 48(%rax)
    mov %r8, 56(%rax)
    mov %r9, 64(%rax)
    mov %r10, 72(%rax)
    mov %r11, 80(%rax)
    mov %r12, 88(%rax)
    mov %r13, 96(%rax)
    mov %r14, 104(%rax)
    mov %r15, 112(%rax)
    pop %rbx
    mov %rbx, (%rax)
    add $16, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/*
 * void call_user(const void *code, const struct call_regs *regs, uint64_t flags): call
 * code in user mode with RAX, RCX, RDX, R8, and make interrupt 0x80 when it returns.
 * Leaves only by a fault, so call it within trap_catch().
 */
    .globl call_user
call_user:
    mov %rdi, %r9
    mov %rsi, %r10
    push $USERDS
    push $user_stack_top
    push %rdx
    push $USER64
    push $user_stub
    mov (%r10), %rax
    mov 16(%r10), %rcx
    mov 24(%r10), %rdx
    mov 56(%r10), %r8
    iretq
user_stub:
    call *%r9
    int $0x80

/*
 * void call_compat(uint32_t (*words)[7], uint32_t code): in 32-bit code under long mode,
 * EAX, EBX, ECX, EDX, ESI, EDI from words; call code; put EAX and EDX back. With code 0:
 * write EDX:EAX to the MSR in ECX instead.
 */
    .globl call_compat
call_compat:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, %r15
    mov %edi, %ebp
    mov %esi, %edi
    push $CODE32
    push $compat_entry
    lretq
    .code32
compat_entry:
    push %edi
    mov (%ebp), %eax
    mov 4(%ebp), %ebx
    mov 8(%ebp), %ecx
    mov 12(%ebp), %edx
    mov 16(%ebp), %esi
    cmpl $0, (%esp)
    je 5f
    push %ebp
    mov 20(%ebp), %edi
    call *4(%esp)
    pop %ebp
    jmp 6f
5:  wrmsr
6:  mov %eax, (%ebp)
    mov %edx, 12(%ebp)
    add $4, %esp
    ljmp $CODE64, $compat_exit
    .code64
compat_exit:
    mov %r15, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* ---- data ---- */

    .data
    .balign 16
    .globl gdt
gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 08 code, 64-bit */
    .quad 0x00cf93000000ffff /* 10 data */
    .quad 0x00cf9b000000ffff /* 18 code, 32-bit */
    .quad 0x00affb000000ffff /* 20 user code, 64-bit */
    .quad 0x00cff3000000ffff /* 28 user data */
    .fill 8, 8, 0            /* 30 a task segment of 16 bytes for each processor */
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt, 0

    .globl boot_info
boot_info:
    .quad 0

    .bss
    .balign 4096
boot_cr3:
    .skip 4096
    .globl pages_1g
pages_1g:
    .skip 4096
pages_2m:
    .skip 4 * 4096
    .globl boot_stacks
boot_stacks:
    .skip 4 << STACK_SHIFT
user_stack:
    .skip 4096
user_stack_top:

    .section .note.GNU-stack, "", @progbits
