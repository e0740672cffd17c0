/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/error.h - the failures that a library function returns
 *
 * A function returns 0 or a count, or one of these, negated. The numbers are those of
 * Linux's errno, so that a user may print them with strerror; the libraries themselves
 * know no errno.
 */
#ifndef ENLIGHT_ERROR_H
#define ENLIGHT_ERROR_H

#define ENL_E_PERM      1   /* the other side may not do this */
#define ENL_E_NOENT     2   /* no such object */
#define ENL_E_IO        5   /* the device under this failed */
#define ENL_E_AGAIN     11  /* not now: full or empty; try after the next event */
#define ENL_E_NOMEM     12  /* the embedder's allocator, or a quota, has no more */
#define ENL_E_ACCESS    13  /* the privilege was not announced */
#define ENL_E_FAULT     14  /* an address outside guest memory */
#define ENL_E_BUSY      16  /* in use */
#define ENL_E_EXIST     17  /* there is one already */
#define ENL_E_NODEV     19  /* no hypervisor, or no such device */
#define ENL_E_INVAL     22  /* a value that its field cannot have */
#define ENL_E_NOSPC     28  /* a table of fixed size is full */
#define ENL_E_ROFS      30  /* the medium is read-only */
#define ENL_E_RANGE     34  /* an index or a length beyond its bound */
#define ENL_E_PROTO     71  /* the other side broke the protocol */
#define ENL_E_MSGSIZE   90  /* a message too short or too long */
#define ENL_E_NOTSUP    95  /* known, and not offered here */
#define ENL_E_CONNRESET 104 /* the channel or the connection is gone */
#define ENL_E_TIMEDOUT  110 /* no answer in time */
#define ENL_E_CANCELED  125 /* given up because its owner goes away */

/* A caller that drops the result of a function with this mark has a bug. */
#define ENL_MUST_CHECK __attribute__((warn_unused_result))

#endif
