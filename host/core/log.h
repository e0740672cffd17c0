/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/core/log.h - lines for people, counts, and the end of the road
 *
 * ENLH_BUG_ON is for what only this library can have caused. A guest's fault has an answer
 * on the wire, and enlh_log_guest(), whose lines run out.
 */
#ifndef HOST_CORE_LOG_H
#define HOST_CORE_LOG_H

#include <stdarg.h>

#include "enlight/host/partition.h"

/* Lines that a guest may cause in one life of a partition. */
#define ENLH_LOG_GUEST_LINES 64u

/*
 * One line, cut at 159 characters. The format knows %s %c %d %u %x (with #, l, ll, z) %%;
 * widths are ignored. Not with a lock held. Thread: any.
 */
__attribute__((format(printf, 3, 4))) void
enlh_log(const struct enlh_partition *partition, enum enlh_log_level level,
         const char *format, ...);

/* The same for what a guest can cause at will: ENLH_LOG_WARN, and a bounded number. */
__attribute__((format(printf, 2, 3))) void
enlh_log_guest(struct enlh_partition *partition, const char *format, ...);

/* The formatter itself. Returns the length, without the final zero. */
size_t enlh_log_format(char *to, size_t size, const char *format, va_list args);

_Noreturn void enlh_log_bug(const struct enlh_partition *partition, const char *file,
                            int line, const char *what);

#define ENLH_BUG_ON(partition, condition)                                                \
    do {                                                                                 \
        if (__builtin_expect(!!(condition), 0))                                          \
            enlh_log_bug((partition), __FILE__, __LINE__, #condition);                   \
    } while (0)

#endif
