/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/check/layer.c - an initramfs of our own in front of the user's
 *
 * Run by "enlight check". The kernel unpacks archives one behind the other; ours comes
 * first, uncompressed, as a microcode archive would, so that it does not matter how the
 * user's is compressed. All its names lie below one folder of its own.
 * Tests: test/unit/tool_check.c.
 */
#include "tool/check/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tool/check_init.h"
#include "tool/status.h"

#define FOLDER "enlight-check"
#define BLOCK  512u

static const char modprobe[] = "#!/" FOLDER "/busybox sh\n"
                               "exec /" FOLDER "/busybox modprobe \"$@\"\n";

struct archive {
    FILE *file;
    uint32_t inode;
};

static void
pad(FILE *file, long to)
{
    while (ftell(file) % to)
        putc(0, file);
}

/* One member in the format "newc"; a folder has no data. */
static void
add(struct archive *archive, const char *name, mode_t mode, const void *data, size_t len)
{
    size_t name_len = strlen(name) + 1;

    fprintf(archive->file, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
            ++archive->inode, (unsigned)mode, 0, 0, 1, 0, (unsigned)len, 0, 0, 0, 0,
            (unsigned)name_len, 0);
    fwrite(name, 1, name_len, archive->file);
    pad(archive->file, 4);
    fwrite(data, 1, len, archive->file);
    pad(archive->file, 4);
}

/* A whole file in memory, owned; NULL after a sentence. */
static char *
read_whole(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *data = NULL;
    struct stat st;

    if (file && fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode))
        data = malloc((size_t)st.st_size + 1);
    *len = data ? fread(data, 1, (size_t)st.st_size, file) : 0;
    if (file)
        fclose(file);
    if (!data)
        enlt_fail(ENLT_NO_INPUT, "%s cannot be read.", path);
    return data;
}

bool
enlt_check_is_static(const char *elf, size_t len)
{
    uint64_t table;
    uint16_t size, count;
    uint32_t type;

    if (len < 64 || memcmp(elf,
                           "\x7f"
                           "ELF\x02\x01",
                           6) != 0)
        return false;
    memcpy(&table, elf + 32, sizeof(table));
    memcpy(&size, elf + 54, sizeof(size));
    memcpy(&count, elf + 56, sizeof(count));
    for (uint16_t i = 0; i < count; i++) {
        if (size < sizeof(type) || table > len || (uint64_t)size * (i + 1u) > len - table)
            return false;
        memcpy(&type, elf + table + (size_t)size * i, sizeof(type));
        if (type == 3) /* PT_INTERP: it needs a loader */
            return false;
    }
    return count != 0;
}

void
enlt_check_write_layer(FILE *file, const char *busybox, size_t len)
{
    struct archive archive = {.file = file};

    add(&archive, FOLDER, S_IFDIR | 0755, "", 0);
    add(&archive, FOLDER "/busybox", S_IFREG | 0755, busybox, len);
    add(&archive, FOLDER "/init", S_IFREG | 0755, check_init, sizeof(check_init) - 1);
    add(&archive, FOLDER "/modprobe", S_IFREG | 0755, modprobe, sizeof(modprobe) - 1);
    add(&archive, "TRAILER!!!", 0, "", 0);
    pad(file, BLOCK);
}

/* The user's archive behind ours. Returns a status. */
static int
append(FILE *file, const char *initrd)
{
    char *data;
    size_t len;

    if (!initrd)
        return 0;
    data = read_whole(initrd, &len);
    if (!data)
        return ENLT_NO_INPUT;
    fwrite(data, 1, len, file);
    free(data);
    return 0;
}

int
enlt_check_make_initrd(const char *to, const char *busybox, const char *initrd)
{
    size_t len;
    char *program = read_whole(busybox, &len);
    int status = 0;

    if (!program)
        return ENLT_NO_INPUT;
    if (!enlt_check_is_static(program, len)) {
        free(program);
        return enlt_fail(ENLT_NO_INPUT,
                         "--busybox: %s is no static 64-bit program; install "
                         "busybox-static, or name one.",
                         busybox);
    }
    FILE *file = fopen(to, "we");
    if (file) {
        enlt_check_write_layer(file, program, len);
        status = append(file, initrd);
        if (ferror(file) | fclose(file))
            status = enlt_fail(ENLT_VMM_ERROR, "%s cannot be written.", to);
    } else {
        status =
            enlt_fail(ENLT_VMM_ERROR, "%s cannot be written: %s.", to, strerror(errno));
    }
    free(program);
    return status;
}
