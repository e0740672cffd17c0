/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/boot/file.c - whole files into memory
 *
 * Run by the loader. Trusts nothing of a file: it may be a directory, empty, longer than
 * any kernel, or get shorter meanwhile.
 * Tests: test/unit/vmm_boot.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/boot/boot.h"

#define CHUNK (UINT64_C(1) << 30)

int
enlm_file_size(int fd, uint64_t *len)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0)
        return -ENL_E_IO;
    *len = (uint64_t)st.st_size;
    return 0;
}

int
enlm_file_read_at(int fd, void *to, uint64_t len)
{
    uint8_t *at = to;
    uint64_t done = 0;

    while (done < len) {
        uint64_t want = len - done < CHUNK ? len - done : CHUNK;
        ssize_t n = pread(fd, at + done, (size_t)want, (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -ENL_E_IO;
        done += (uint64_t)n;
    }
    return 0;
}

int
enlm_file_read(int fd, uint64_t limit, struct enlm_blob *out)
{
    uint64_t len;
    int err = enlm_file_size(fd, &len);

    out->data = NULL;
    out->len = 0;
    if (err)
        return err;
    if (len > limit)
        return -ENL_E_MSGSIZE;
    out->data = malloc(len ? (size_t)len : 1);
    if (!out->data)
        return -ENL_E_NOMEM;
    out->len = (size_t)len;
    err = enlm_file_read_at(fd, out->data, len);
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
