/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/boot/file.c - pieces of files, straight to where they belong
 *
 * Run by the loader. Trusts nothing of a file: it may be a directory, empty, longer than
 * any kernel, or get shorter meanwhile. A kernel's segments are read into guest memory
 * without a copy in between: under emulation each page that is touched counts.
 * Tests: test/unit/vmm_boot.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/boot/boot.h"

#define CHUNK (UINT64_C(1) << 30)

int
enlm_source_open(int fd, struct enlm_source *out)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0)
        return -ENL_E_IO;
    out->fd = fd;
    out->data = NULL;
    out->len = (uint64_t)st.st_size;
    return 0;
}

struct enlm_source
enlm_source_of(const struct enlm_blob *blob)
{
    struct enlm_source source = {.fd = -1, .data = blob->data, .len = blob->len};

    return source;
}

static int
read_file(int fd, uint64_t offset, uint8_t *to, uint64_t len)
{
    while (len) {
        uint64_t want = len < CHUNK ? len : CHUNK;
        ssize_t n = pread(fd, to, (size_t)want, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -ENL_E_IO;
        to += n;
        offset += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return 0;
}

int
enlm_source_read(const struct enlm_source *source, uint64_t offset, void *to,
                 uint64_t len)
{
    if (!enlm_within(offset, len, source->len))
        return -ENL_E_RANGE;
    if (!source->data)
        return read_file(source->fd, offset, to, len);
    memcpy(to, source->data + offset, (size_t)len);
    return 0;
}

int
enlm_source_read_all(const struct enlm_source *source, struct enlm_blob *out)
{
    int err;

    out->data = malloc(source->len ? (size_t)source->len : 1);
    out->len = 0;
    if (!out->data)
        return -ENL_E_NOMEM;
    out->len = (size_t)source->len;
    err = enlm_source_read(source, 0, out->data, source->len);
    if (err)
        enlm_blob_free(out);
    return err;
}

void
enlm_blob_free(struct enlm_blob *blob)
{
    free(blob->data);
    blob->data = NULL;
    blob->len = 0;
}
