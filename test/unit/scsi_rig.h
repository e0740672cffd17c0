/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/scsi_rig.h - one SCSI unit, one action and one response for tests
 *
 *   DECODE(&plain, 0x28, 0, ...);   // the bytes of a CDB
 *   assert_moves(ENLH_SCSI_READ, lba, count);
 */
#ifndef TEST_UNIT_SCSI_RIG_H
#define TEST_UNIT_SCSI_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "host/dev/storage/scsi.h"

#define ILLEGAL ENL_SCSI_KEY_ILLEGAL_REQUEST

static const struct enlh_scsi_unit plain = {
    .block_count = 1000,
    .block_len = 512,
    .block_shift = 9,
    .max_blocks = 256,
    .physical_exponent = 3,
    .discards = true,
    .volatile_cache = true,
    .naa = {0x31, 2, 3, 4, 5, 6, 7, 8},
    .serial_len = 4,
    .vendor = "VENDOR  ",
    .product = "PRODUCT         ",
    .revision = "REV1",
    .serial = "S123",
};

static struct enlh_scsi_action action;
static uint8_t response[ENLH_SCSI_RESPONSE_MAX];

static inline void
decode(const struct enlh_scsi_unit *unit, const uint8_t cdb[16])
{
    memset(&action, 0xa5, sizeof(action));
    memset(response, 0xa5, sizeof(response));
    enlh_scsi_decode(unit, cdb, 16, &action, response);
}

#define DECODE(unit, ...) decode(unit, (const uint8_t[16]){__VA_ARGS__})

static inline void
assert_refused(uint8_t key, uint16_t asc)
{
    assert_int_equal(action.verb, ENLH_SCSI_ANSWER);
    assert_int_equal(action.key, key);
    assert_int_equal(action.asc, asc);
    assert_int_equal(action.response_len, 0);
}

static inline void
assert_moves(enum enlh_scsi_verb verb, uint64_t lba, uint64_t count)
{
    assert_int_equal(action.verb, verb);
    assert_int_equal(action.key, 0);
    assert_int_equal(action.offset, lba * 512);
    assert_int_equal(action.len, count * 512);
}

static inline void
assert_good(uint32_t response_len)
{
    assert_int_equal(action.verb, ENLH_SCSI_ANSWER);
    assert_int_equal(action.key, 0);
    assert_int_equal(action.response_len, response_len);
}

#endif
