/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/kernel/calls.S - calls that C cannot make: any register, any privilege, any mode
 *
 * The selectors are those of fault.c.
 */
#define CODE64 0x08
#define CODE32 0x18
#define USER64 0x23
#define USERDS 0x2b

    .text
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

    .code64
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

    .bss
    .balign 4096
user_stack:
    .skip 4096
user_stack_top:

    .section .note.GNU-stack, "", @progbits
