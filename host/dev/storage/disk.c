/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a disk is: from the embedder's words and the backend's figures to a SCSI unit.
 *
 * Runs: the embedder, when it attaches a disk, on the loop thread. Nothing of the guest
 * comes here. A name is unique and stays the same over a restart: it is made from the
 * serial number, and the serial number, where none is given, from the controller's
 * instance and the LUN.
 * [SPC-4 7.8.6.6: NAA designators]
 * Tests: test/unit/storage_disk.c.
 */
#include "host/dev/storage/controller.h"

#include <string.h>

#define DISK_HASH_START   UINT64_C(0xcbf29ce484222325)
#define DISK_HASH_PRIME   UINT64_C(0x100000001b3)
#define DISK_NAA_LOCAL    0x30u /* assigned by the one who runs the host */
#define DISK_PHYSICAL_MAX 15u

/* FNV-1a. */
static uint64_t
disk_hash(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *at = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * DISK_HASH_PRIME;
    return hash;
}

/* Copy text into a field of spaces. Returns its length, or -ENL_E_INVAL: no plain ASCII. */
static int
disk_text(char *to, size_t to_len, const char *text, const char *otherwise)
{
    size_t len;

    if (!text[0])
        text = otherwise;
    memset(to, ' ', to_len);
    for (len = 0; text[len] && len < to_len; len++) {
        if (text[len] < ' ' || text[len] > '~')
            return -ENL_E_INVAL;
        to[len] = text[len];
    }
    return (int)len;
}

static void
disk_hex(uint64_t value, char text[17])
{
    for (unsigned i = 0; i < 16; i++)
        text[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 0xf];
    text[16] = '\0';
}

static int
disk_describe_names(struct enlh_scsi_unit *unit, const struct enlh_disk *disk,
                    const struct enlh_storage_config *config)
{
    uint64_t hash =
        disk_hash(DISK_HASH_START, &config->instance, sizeof(config->instance));
    static const uint8_t none[sizeof(unit->naa)];
    char serial[17];
    int len;

    disk_hex(disk_hash(hash, &disk->lun, sizeof(disk->lun)), serial);
    if (disk_text(unit->vendor, sizeof(unit->vendor), disk->vendor, "ENLIGHT") < 0 ||
        disk_text(unit->product, sizeof(unit->product), disk->product, "Virtual Disk") <
            0 ||
        disk_text(unit->revision, sizeof(unit->revision), disk->revision, "1.0") < 0)
        return -ENL_E_INVAL;
    len = disk_text(unit->serial, sizeof(unit->serial), disk->serial, serial);
    if (len < 0)
        return len;
    unit->serial_len = (uint8_t)len;
    memcpy(unit->naa, disk->naa, sizeof(unit->naa));
    if (!memcmp(unit->naa, none, sizeof(none))) {
        enlh_scsi_put64(unit->naa, disk_hash(DISK_HASH_START, unit->serial, (size_t)len));
        unit->naa[0] = (uint8_t)(DISK_NAA_LOCAL | (unit->naa[0] & 0x0fu));
    }
    return 0;
}

/* A size that is no power of two times the block is not told to the guest. */
static uint8_t
disk_physical_exponent(const struct enlh_block_info *info)
{
    for (uint8_t i = 0; i <= DISK_PHYSICAL_MAX; i++) {
        if ((uint64_t)info->block_size << i == info->physical_block_size)
            return i;
    }
    return 0;
}

int
enlh_disk_describe(struct enlh_scsi_unit *unit, const struct enlh_disk *disk,
                   const struct enlh_storage_config *config)
{
    struct enlh_block_info info = {0};
    uint32_t transfer = config->max_transfer;

    disk->block.ops->info(disk->block.backend, &info);
    if ((info.block_size != 512 && info.block_size != 4096) || !info.size ||
        info.size % info.block_size)
        return -ENL_E_INVAL;
    if (info.max_transfer && info.max_transfer < transfer)
        transfer = info.max_transfer;
    if (transfer < info.block_size)
        return -ENL_E_INVAL;
    *unit = (struct enlh_scsi_unit){
        .block_len = info.block_size,
        .block_shift = info.block_size == 512 ? 9 : 12,
        .block_count = info.size / info.block_size,
        .max_blocks = transfer / info.block_size,
        .physical_exponent = disk_physical_exponent(&info),
        .readonly = disk->readonly || info.readonly,
        .discards = info.discards,
        .volatile_cache = info.volatile_cache,
    };
    return disk_describe_names(unit, disk, config);
}
