/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/storage/scsi.c - SCSI commands for a disk, and what their answers say
 *
 * Run by the kernel. An answer is in memory that the host was given, and may still write:
 * each byte is read once, and a number counts only within its bounds. [SBC-4, SPC-5]
 * Tests: test/unit/guest_scsi.c, test/loop/storage.c.
 */
#include <string.h>

#include "enlight/guest/storage.h"

static void
put_be(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--, value >>= 8)
        to[i] = (uint8_t)(value & 0xFF);
}

static uint64_t
get_be(const uint8_t *from, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

static void
cdb_fill(struct enlg_storage_io *io, uint8_t opcode, uint8_t cdb_len, uint8_t data_in)
{
    memset(io->cdb, 0, sizeof(io->cdb));
    io->cdb[0] = opcode;
    io->cdb_len = cdb_len;
    io->data_in = data_in;
}

static void
cdb_fill_range(struct enlg_storage_io *io, uint64_t lba, uint32_t block_count)
{
    put_be(&io->cdb[2], lba, 8);
    put_be(&io->cdb[10], block_count, 4);
}

void
enlg_storage_read(struct enlg_storage_io *io, uint64_t lba, uint32_t block_count,
                  void *data, uint32_t data_len)
{
    cdb_fill(io, ENL_SCSI_READ_16, 16, ENL_STORAGE_DATA_READ);
    cdb_fill_range(io, lba, block_count);
    io->data = data;
    io->data_len = data_len;
}

void
enlg_storage_write(struct enlg_storage_io *io, uint64_t lba, uint32_t block_count,
                   const void *data, uint32_t data_len)
{
    cdb_fill(io, ENL_SCSI_WRITE_16, 16, ENL_STORAGE_DATA_WRITE);
    cdb_fill_range(io, lba, block_count);
    io->data = (void *)(uintptr_t)data;
    io->data_len = data_len;
}

void
enlg_storage_flush(struct enlg_storage_io *io)
{
    cdb_fill(io, ENL_SCSI_SYNCHRONIZE_CACHE_10, 10, ENL_STORAGE_DATA_NONE);
    io->data = NULL;
    io->data_len = 0;
}

void
enlg_storage_discard(struct enlg_storage_io *io, uint64_t lba, uint32_t block_count,
                     void *list)
{
    uint8_t one[ENLG_STORAGE_DISCARD_LEN] = {0};

    cdb_fill(io, ENL_SCSI_UNMAP, 10, ENL_STORAGE_DATA_WRITE);
    put_be(&io->cdb[7], sizeof(one), 2);
    put_be(&one[0], sizeof(one) - 2, 2); /* bytes behind this number */
    put_be(&one[2], 16, 2);              /* of descriptors */
    put_be(&one[8], lba, 8);
    put_be(&one[16], block_count, 4);
    memcpy(list, one, sizeof(one));
    io->data = list;
    io->data_len = sizeof(one);
}

void
enlg_storage_capacity(struct enlg_storage_io *io, void *answer)
{
    cdb_fill(io, ENL_SCSI_SERVICE_ACTION_IN_16, 16, ENL_STORAGE_DATA_READ);
    io->cdb[1] = ENL_SCSI_SA_READ_CAPACITY_16;
    put_be(&io->cdb[10], ENLG_STORAGE_CAPACITY_LEN, 4);
    io->data = answer;
    io->data_len = ENLG_STORAGE_CAPACITY_LEN;
}

int
enlg_storage_capacity_parse(const struct enlg_storage_io *io, uint64_t *block_count,
                            uint32_t *block_size)
{
    uint8_t answer[12];
    uint64_t last;
    uint32_t size;

    if (io->result || io->moved < sizeof(answer))
        return -ENL_E_PROTO;
    memcpy(answer, io->data, sizeof(answer)); /* the host may still write there */
    last = get_be(answer, 8);
    size = (uint32_t)get_be(answer + 8, 4);
    if (last == UINT64_MAX || size < 512 || size > 65536 || (size & (size - 1)) != 0)
        return -ENL_E_PROTO;
    *block_count = last + 1;
    *block_size = size;
    return 0;
}

bool
enlg_storage_capacity_discards(const struct enlg_storage_io *io)
{
    const volatile uint8_t *answer = io->data;

    return io->result == 0 && io->moved > 14 && (answer[14] & ENL_SCSI_RC16_LBPME) != 0;
}

void
enlg_storage_luns(struct enlg_storage_io *io, void *answer, uint32_t answer_len)
{
    cdb_fill(io, ENL_SCSI_REPORT_LUNS, 12, ENL_STORAGE_DATA_READ);
    put_be(&io->cdb[6], answer_len, 4);
    io->data = answer;
    io->data_len = answer_len;
}

int
enlg_storage_luns_parse(const struct enlg_storage_io *io, uint8_t *luns, uint32_t max)
{
    const uint8_t *answer = io->data;
    uint8_t entry[8];
    uint64_t end;
    uint32_t count = 0;

    if (io->result || io->moved < sizeof(entry))
        return -ENL_E_PROTO;
    memcpy(entry, answer, sizeof(entry));
    end = sizeof(entry) + get_be(entry, 4);
    if (end > io->moved) /* more than the caller had room for */
        end = io->moved;
    for (uint64_t at = sizeof(entry); at + sizeof(entry) <= end && count < max; at += 8) {
        memcpy(entry, answer + at, sizeof(entry));
        if (entry[0] == 0) /* a LUN of the simple kind: its number is one byte */
            luns[count++] = entry[1];
    }
    return (int)count;
}
