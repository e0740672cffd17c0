/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/coverage/replay.c - a fuzz target without its fuzzer: every input of a corpus once
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t input[1 << 20];

static int
replay(const char *folder, const char *name)
{
    char path[4096];
    size_t size;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    size = fread(input, 1, sizeof(input), file);
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(input, size);
    return 0;
}

int
main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *entry;
    int failed = 0;

    if (!folder) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 64;
    }
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.')
            failed |= replay(argv[1], entry->d_name);
    }
    (void)closedir(folder);
    return failed;
}
