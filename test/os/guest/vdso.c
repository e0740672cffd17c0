/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/os/guest/vdso.c - clock_gettime() is answered without a system call (T05)
 *
 * Runs in the guest. A seccomp filter turns the clock_gettime system call into an error
 * that this program sees; when 100,000 reads succeed all the same and never go back, the
 * vDSO has read the clock, with the reference TSC page behind it.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#define READS 100000

static int
refuse_clock_gettime(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int
main(void)
{
    struct timespec last = {0}, now;

    if (refuse_clock_gettime()) {
        printf("seccomp is not to be had\n");
        return 1;
    }
    for (int i = 0; i < READS; i++) {
        if (clock_gettime(CLOCK_MONOTONIC, &now)) {
            printf("clock_gettime needs a system call\n");
            return 1;
        }
        if (now.tv_sec < last.tv_sec ||
            (now.tv_sec == last.tv_sec && now.tv_nsec < last.tv_nsec)) {
            printf("the clock went back\n");
            return 1;
        }
        last = now;
    }
    printf("vDSO: %d reads without a system call, none goes back\n", READS);
    return 0;
}
