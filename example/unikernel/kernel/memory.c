/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/memory.c - the four functions that a compiler may call, and the guest half calls
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void *
memcpy(void *to, const void *from, size_t len)
{
    void *start = to;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
    return start;
}

void *
memset(void *to, int value, size_t len)
{
    void *start = to;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(value) : "memory");
    return start;
}

void *
memmove(void *to, const void *from, size_t len)
{
    uint8_t *d = to;
    const uint8_t *s = from;

    if ((uintptr_t)d - (uintptr_t)s >= len)
        return memcpy(to, from, len);
    while (len--)
        ((volatile uint8_t *)d)[len] = s[len];
    return to;
}

int
memcmp(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a, *y = b;

    for (size_t i = 0; i < len; i++) {
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}
