/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/boot/unpack.c - the vmlinux that is packed in a bzImage: xz, zstd or gzip
 *
 * Run by the loader on bytes that nobody vouches for. The last four bytes of the payload say
 * how long the result is; the decoders write no more than that, in one call, within a
 * bounded memory. Another packing is left to the kernel's own stub.
 * Tests: test/unit/vmm_boot.c.
 */
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "vmm/boot/boot.h"

#define UNPACKED_MAX (UINT32_C(1) << 29)
#define XZ_MEMORY    (UINT64_C(1) << 28)
#define TRAILER      4u
#define ZLIB_GZIP    (15 + 16) /* the largest window, gzip framing */

static int
unpack_xz(const uint8_t *packed, size_t len, struct enlm_blob *out)
{
    uint64_t memory = XZ_MEMORY;
    size_t in = 0, done = 0;
    lzma_ret ret = lzma_stream_buffer_decode(&memory, 0, NULL, packed, &in, len,
                                             out->data, &done, out->len);

    return ret == LZMA_OK && done == out->len ? 0 : -ENL_E_PROTO;
}

static int
unpack_zstd(const uint8_t *packed, size_t len, struct enlm_blob *out)
{
    size_t frame = ZSTD_findFrameCompressedSize(packed, len);
    size_t done;

    if (ZSTD_isError(frame))
        return -ENL_E_PROTO;
    done = ZSTD_decompress(out->data, out->len, packed, frame);
    return !ZSTD_isError(done) && done == out->len ? 0 : -ENL_E_PROTO;
}

static int
unpack_gzip(const uint8_t *packed, size_t len, struct enlm_blob *out)
{
    z_stream z;
    int ret;

    memset(&z, 0, sizeof(z));
    if (inflateInit2(&z, ZLIB_GZIP) != Z_OK)
        return -ENL_E_NOMEM;
    z.next_in = (z_const Bytef *)packed;
    z.avail_in = (uInt)len;
    z.next_out = out->data;
    z.avail_out = (uInt)out->len;
    ret = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return ret == Z_STREAM_END && z.avail_out == 0 ? 0 : -ENL_E_PROTO;
}

typedef int (*unpack_fn)(const uint8_t *packed, size_t len, struct enlm_blob *out);

static const struct {
    uint8_t magic[6];
    uint8_t magic_len;
    unpack_fn unpack;
} formats[] = {
    {{0xFD, '7', 'z', 'X', 'Z', 0x00}, 6, unpack_xz},
    {{0x28, 0xB5, 0x2F, 0xFD}, 4, unpack_zstd},
    {{0x1F, 0x8B}, 2, unpack_gzip},
};

static unpack_fn
find_format(const uint8_t *packed, size_t len)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (len > formats[i].magic_len + TRAILER &&
            !memcmp(packed, formats[i].magic, formats[i].magic_len))
            return formats[i].unpack;
    }
    return NULL;
}

int
enlm_unpack(const uint8_t *packed, size_t len, struct enlm_blob *out)
{
    unpack_fn unpack = find_format(packed, len);
    uint32_t size;
    int err;

    out->data = NULL;
    out->len = 0;
    if (!unpack)
        return -ENL_E_NOTSUP;
    memcpy(&size, packed + len - TRAILER, sizeof(size));
    if (size == 0 || size > UNPACKED_MAX || len > UINT32_MAX)
        return -ENL_E_PROTO;
    out->data = malloc(size);
    if (!out->data)
        return -ENL_E_NOMEM;
    out->len = size;
    err = unpack(packed, len, out);
    if (err)
        enlm_blob_free(out);
    return err;
}
