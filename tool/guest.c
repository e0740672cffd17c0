/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/guest.c - the options of "enlight run", one setter each, and their way back into words
 *
 * Run by the user's words. Nothing is opened here: a setter checks what one option says by
 * itself. enlt_guest_words() is the same table read backwards, for the nested machine.
 * Tests: test/unit/tool_options.c.
 */
#include "tool/guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enlight/abi/vmbus.h"
#include "tool/accel.h"
#include "tool/option.h"
#include "tool/status.h"
#include "tool/verb.h"

static const char *const engine_names = "auto|kernel|user";
static const char *const accel_names = "auto|kvm|nested";
static const char *const level_names = "error|warn|info|debug";

void
enlt_guest_defaults(struct enlt_guest *guest)
{
    memset(guest, 0, offsetof(struct enlt_guest, disks));
    guest->memory = UINT64_C(512) << 20;
    guest->cpus = 1;
    guest->controllers = 1;
    guest->console = ENLM_CONSOLE_STDIO;
    guest->log_level = ENLH_LOG_WARN;
    enlt_hv_defaults(&guest->hv);
}

static int
set_kernel(void *to, const char *value)
{
    ((struct enlt_guest *)to)->kernel = value;
    return 0;
}

static int
set_initrd(void *to, const char *value)
{
    ((struct enlt_guest *)to)->initrd = value;
    return 0;
}

static int
set_cmdline(void *to, const char *value)
{
    ((struct enlt_guest *)to)->cmdline = value;
    return 0;
}

static int
set_disk_format(struct enlt_disk *disk, const char *value)
{
    int index;
    int status = enlt_parse_choice("disk format", value, "raw|vhd", &index);

    if (!status)
        disk->file.format = index ? ENLB_FORMAT_VHD : ENLB_FORMAT_RAW;
    return status;
}

static int
set_disk_aio(struct enlt_disk *disk, const char *value)
{
    int index;
    int status = enlt_parse_choice("disk aio", value, "auto|io_uring|threads", &index);

    if (!status)
        disk->file.aio = (enum enlb_aio)index;
    return status;
}

static int
set_disk_key(struct enlt_disk *disk, const struct enlt_pairs *pair)
{
    const char *key = pair->key, *value = pair->value;

    if (!strcmp(key, "path") || !pair->has_value) {
        snprintf(disk->path, sizeof(disk->path), "%s", *value ? value : key);
        return 0;
    }
    if (!strcmp(key, "record") && *value) {
        snprintf(disk->record, sizeof(disk->record), "%s", value);
        return 0;
    }
    if (!strcmp(key, "format"))
        return set_disk_format(disk, value);
    if (!strcmp(key, "aio"))
        return set_disk_aio(disk, value);
    if (!strcmp(key, "readonly"))
        return enlt_parse_switch("disk readonly", value, &disk->file.readonly);
    if (!strcmp(key, "direct"))
        return enlt_parse_switch("disk direct", value, &disk->file.direct);
    if (!strcmp(key, "controller"))
        return enlt_parse_number("disk controller", value, ENLM_CONTROLLERS - 1,
                                 &disk->controller);
    if (!strcmp(key, "lun")) {
        disk->has_lun = true;
        return enlt_parse_number("disk lun", value, ENLM_LUNS - 1, &disk->lun);
    }
    if (!strcmp(key, "id") && strlen(value) < sizeof(disk->id)) {
        snprintf(disk->id, sizeof(disk->id), "%s", value);
        return 0;
    }
    if (!strcmp(key, "serial") && strlen(value) < sizeof(disk->serial)) {
        snprintf(disk->serial, sizeof(disk->serial), "%s", value);
        return 0;
    }
    return enlt_fail(ENLT_USAGE,
                     "--disk: '%s=%.40s' is not something a disk has; "
                     "see 'enlight run --help'.",
                     key, value);
}

static bool
lun_taken(const struct enlt_guest *guest, uint64_t controller, uint64_t lun)
{
    for (size_t i = 0; i < guest->disk_count; i++) {
        if (guest->disks[i].controller == controller && guest->disks[i].lun == lun)
            return true;
    }
    return false;
}

static int
place_disk(struct enlt_guest *guest, struct enlt_disk *disk)
{
    if (disk->has_lun && lun_taken(guest, disk->controller, disk->lun))
        return enlt_fail(
            ENLT_USAGE, "--disk: controller %llu has a disk at lun %llu already.",
            (unsigned long long)disk->controller, (unsigned long long)disk->lun);
    while (!disk->has_lun && lun_taken(guest, disk->controller, disk->lun))
        disk->lun++;
    if (disk->lun >= ENLM_LUNS)
        return enlt_fail(ENLT_USAGE,
                         "--disk: controller %llu is full; put the disk on another "
                         "with controller=N.",
                         (unsigned long long)disk->controller);
    if (guest->controllers < disk->controller + 1)
        guest->controllers = disk->controller + 1;
    guest->disk_count++;
    return 0;
}

int
enlt_guest_disk(const char *list, struct enlt_disk *disk)
{
    struct enlt_pairs pair;
    int more;

    memset(disk, 0, sizeof(*disk));
    enlb_file_config_defaults(&disk->file);
    enlt_pairs_start(&pair, list);
    while ((more = enlt_pairs_next(&pair, "disk")) == 1) {
        int status = set_disk_key(disk, &pair);
        if (status)
            return status;
    }
    if (more)
        return more;
    if (!disk->path[0])
        return enlt_fail(ENLT_USAGE, "--disk needs path=FILE.");
    if (disk->record[0] && disk->file.readonly)
        return enlt_fail(ENLT_USAGE, "--disk: a read-only disk has nothing to record.");
    return 0;
}

static int
set_disk(void *to, const char *value)
{
    struct enlt_guest *guest = to;

    if (guest->disk_count == ENLT_DISKS_MAX)
        return enlt_fail(ENLT_USAGE, "--disk: at most %u disks.", ENLT_DISKS_MAX);
    int status = enlt_guest_disk(value, &guest->disks[guest->disk_count]);
    return status ? status : place_disk(guest, &guest->disks[guest->disk_count]);
}

static int
set_nic(void *to, const char *value)
{
    struct enlt_guest *guest = to;

    if (guest->nic_count == ENLT_NICS_MAX)
        return enlt_fail(ENLT_USAGE, "--nic: at most %u NICs.", ENLT_NICS_MAX);
    int status = enlt_nic_parse(value, &guest->nics[guest->nic_count]);
    guest->nic_count += !status;
    return status;
}

static int
set_memory(void *to, const char *value)
{
    struct enlt_guest *guest = to;
    const char *size = strncmp(value, "size=", 5) == 0 ? value + 5 : value;

    return enlt_parse_size("memory", size, &guest->memory);
}

static int
set_cpus(void *to, const char *value)
{
    struct enlt_guest *guest = to;
    int status = enlt_parse_number("cpus", value, ENLM_CPUS_MAX, &guest->cpus);

    if (!status && !guest->cpus)
        return enlt_fail(ENLT_USAGE, "--cpus: a machine has at least one CPU.");
    return status;
}

static int
set_engine(void *to, const char *value)
{
    return enlt_parse_choice("engine", value, engine_names,
                             &((struct enlt_guest *)to)->engine);
}

static int
set_accel(void *to, const char *value)
{
    return enlt_parse_choice("accel", value, accel_names,
                             &((struct enlt_guest *)to)->accel);
}

static int
set_hv(void *to, const char *value)
{
    struct enlt_guest *guest = to;

    if (!strcmp(value, "?") || !strcmp(value, "help")) {
        guest->hv_question = true;
        return 0;
    }
    if (guest->hv_list_count == sizeof(guest->hv_list) / sizeof(guest->hv_list[0]))
        return enlt_fail(ENLT_USAGE, "--hv: write one list with commas.");
    guest->hv_list[guest->hv_list_count++] = value;
    return enlt_hv_parse(&guest->hv, value);
}

static int
set_acpi(void *to, const char *value)
{
    struct enlt_pairs pair;

    enlt_pairs_start(&pair, value);
    int more = enlt_pairs_next(&pair, "acpi");
    if (more > 1)
        return more;
    if (more == 0 || strcmp(pair.key, "s4") != 0 || *pair.rest)
        return enlt_fail(ENLT_USAGE, "--acpi takes s4=on|off, and got '%s'.", value);
    return enlt_parse_switch("acpi s4", pair.value, &((struct enlt_guest *)to)->acpi_s4);
}

static int
set_console(void *to, const char *value)
{
    struct enlt_guest *guest = to;

    if (!strncmp(value, "file=", 5) && value[5]) {
        guest->console = ENLM_CONSOLE_FD;
        snprintf(guest->console_path, sizeof(guest->console_path), "%s", value + 5);
        return 0;
    }
    int index;
    int status = enlt_parse_choice("console", value, "none|stdio|file=...", &index);
    if (!status)
        guest->console = index ? ENLM_CONSOLE_STDIO : ENLM_CONSOLE_NONE;
    return status;
}

static int
set_on_crash(void *to, const char *value)
{
    int index;
    int status = enlt_parse_choice("on-crash", value, "exit|continue", &index);

    if (!status)
        ((struct enlt_guest *)to)->on_crash_continue = index == 1;
    return status;
}

static int
set_log_level(void *to, const char *value)
{
    return enlt_parse_choice("log-level", value, level_names,
                             &((struct enlt_guest *)to)->log_level);
}

/* "5.3" to the wire's number; every version that the bus knows, 2.4 to 5.3. */
static int
set_vmbus_version(struct enlt_guest *guest, const char *value)
{
    static const struct {
        const char *name;
        uint32_t version;
    } versions[] = {{"2.4", 0x20004}, {"3.0", 0x30000}, {"4.0", 0x40000},
                    {"4.1", 0x40001}, {"5.0", 0x50000}, {"5.1", 0x50001},
                    {"5.2", 0x50002}, {"5.3", 0x50003}};

    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        if (!strcmp(value, versions[i].name)) {
            guest->max_vmbus_version = versions[i].version;
            return 0;
        }
    }
    return enlt_fail(ENLT_USAGE,
                     "--vmbus: '%s' is not one of 2.4|3.0|4.0|4.1|5.0|5.1|5.2|5.3.",
                     value);
}

static int
set_vmbus(void *to, const char *value)
{
    struct enlt_guest *guest = to;
    struct enlt_pairs pair;
    int more;

    enlt_pairs_start(&pair, value);
    while ((more = enlt_pairs_next(&pair, "vmbus")) == 1) {
        int status;
        if (!strcmp(pair.key, "max-version"))
            status = set_vmbus_version(guest, pair.value);
        else if (!strcmp(pair.key, "offer-seed"))
            status = enlt_parse_number("vmbus offer-seed", pair.value, UINT64_MAX,
                                       &guest->offer_seed);
        else
            status = enlt_fail(ENLT_USAGE,
                               "--vmbus: '%s' is neither max-version nor "
                               "offer-seed.",
                               pair.key);
        if (status)
            return status;
    }
    return more;
}

static int
set_controllers(void *to, const char *value)
{
    struct enlt_guest *guest = to;
    uint64_t count;
    int status = enlt_parse_number("controllers", value, ENLM_CONTROLLERS, &count);

    if (!status && count > guest->controllers)
        guest->controllers = count;
    return status;
}

static int
set_no_reboot(void *to, const char *value)
{
    (void)value;
    ((struct enlt_guest *)to)->no_reboot = true;
    return 0;
}

static int
set_keep_packed(void *to, const char *value)
{
    (void)value;
    ((struct enlt_guest *)to)->keep_packed = true;
    return 0;
}

static int
set_dry_run(void *to, const char *value)
{
    (void)value;
    ((struct enlt_guest *)to)->dry_run = true;
    return 0;
}

static int
set_control(void *to, const char *value)
{
    ((struct enlt_guest *)to)->control = value;
    return 0;
}

static const struct enlt_key disk_keys[] = {
    {"path", "FILE", "a file or a block device"},
    {"format", "raw|vhd", "never guessed; vhd is a fixed VHD (raw)"},
    {"readonly", "on|off", "writes fail with sense data (off)"},
    {"controller", "N", "which SCSI controller, 0 to 7 (0)"},
    {"lun", "N", "0 to 63 (the first that is free)"},
    {"serial", "TEXT", "up to 32 characters"},
    {"id", "NAME", "its name on the control socket (disk0 and so on)"},
    {"direct", "on|off", "past the host's page cache (off)"},
    {"aio", "auto|io_uring|threads", "how requests are carried out (auto)"},
    {"record", "FILE", "a trace of all writes and flushes, for 'enlight replay'"},
    {0},
};
static const struct enlt_key acpi_keys[] = {
    {"s4", "on|off", "announce hibernation; Linux then refuses ballooning (off)"}, {0}};
static const struct enlt_key vmbus_keys[] = {
    {"max-version", "2.4...5.3", "refuse newer versions (5.3)"},
    {"offer-seed", "N", "offer the devices in a random order"},
    {0},
};

const struct enlt_option enlt_run_options[] = {
    {"kernel", NULL, 'k', "FILE", "a bzImage, or an ELF with a PVH note", NULL,
     set_kernel},
    {"initrd", "initramfs", 'i', "FILE", "the initial RAM file system", NULL, set_initrd},
    {"cmdline", "append", 'c', "TEXT", "the kernel's command line", NULL, set_cmdline},
    {"disk", NULL, 'd', "LIST", "a synthetic SCSI disk; may be repeated", disk_keys,
     set_disk},
    {"controllers", NULL, 0, "N", "SCSI controllers, with disks or without (1)", NULL,
     set_controllers},
    {"nic", NULL, 0, "LIST", "a synthetic network adapter; may be repeated",
     enlt_nic_keys, set_nic},
    {"memory", NULL, 'm', "SIZE", "guest memory (512M)", NULL, set_memory},
    {"cpus", NULL, 0, "N", "virtual processors (1)", NULL, set_cpus},
    {"engine", NULL, 0, "auto|kernel|user",
     "who answers synthetic registers: KVM, or us (auto)", NULL, set_engine},
    {"hv", NULL, 0, "LIST",
     "enlightenments: names, -names, a preset; '?' lists them (linux)", NULL, set_hv},
    {"vmbus", NULL, 0, "LIST", "the bus", vmbus_keys, set_vmbus},
    {"acpi", NULL, 0, "LIST", "the ACPI tables", acpi_keys, set_acpi},
    {"console", NULL, 0, "stdio|file=FILE|none", "the first serial port (stdio)", NULL,
     set_console},
    {"control", NULL, 0, "SOCKET", "serve enlight-ctl(1) and QMP clients there", NULL,
     set_control},
    {"on-crash", NULL, 0, "exit|continue", "after the guest reported a crash (exit)",
     NULL, set_on_crash},
    {"no-reboot", NULL, 0, NULL, "end when the guest resets", NULL, set_no_reboot},
    {"keep-packed", NULL, 0, NULL, "let the bzImage unpack itself in the guest", NULL,
     set_keep_packed},
    {"accel", NULL, 0, "auto|kvm|nested", "this machine's KVM, or an emulated one (auto)",
     NULL, set_accel},
    {"log-level", NULL, 0, "LEVEL", "error, warn, info or debug (warn)", NULL,
     set_log_level},
    {"dry-run", NULL, 0, NULL, "print the resolved configuration and end", NULL,
     set_dry_run},
    {0},
};

/* Word number index of "a|b|c". */
static void
choice_name(const char *choices, int index, char *to, size_t size)
{
    while (index-- > 0)
        choices += strcspn(choices, "|") + 1;
    snprintf(to, size, "%.*s", (int)strcspn(choices, "|"), choices);
}

static void
disk_words(const struct enlt_disk *disk, struct enlt_words *words)
{
    static const char *const aio[] = {"auto", "io_uring", "threads"};
    char path[2 * sizeof(disk->path) + 1], record[2 * sizeof(disk->record) + 1];

    enlt_quote_commas(disk->path, path, sizeof(path));
    enlt_quote_commas(disk->record, record, sizeof(record));
    enlt_words_add(words, "--disk");
    enlt_words_add(
        words,
        "path=%s,format=%s,readonly=%s,controller=%llu,lun=%llu,aio=%s,"
        "direct=%s%s%s%s%s%s%s",
        path, disk->file.format == ENLB_FORMAT_VHD ? "vhd" : "raw",
        disk->file.readonly ? "on" : "off", (unsigned long long)disk->controller,
        (unsigned long long)disk->lun, aio[disk->file.aio],
        disk->file.direct ? "on" : "off", disk->serial[0] ? ",serial=" : "", disk->serial,
        disk->id[0] ? ",id=" : "", disk->id, record[0] ? ",record=" : "", record);
}

static void
number_word(struct enlt_words *words, const char *option, uint64_t value)
{
    enlt_words_add(words, "--%s", option);
    enlt_words_add(words, "%llu", (unsigned long long)value);
}

static void
choice_word(struct enlt_words *words, const char *option, const char *choices, int index)
{
    char name[32];

    choice_name(choices, index, name, sizeof(name));
    enlt_words_add_option(words, option, name);
}

static void
switch_words(const struct enlt_guest *guest, struct enlt_words *words)
{
    if (guest->acpi_s4)
        enlt_words_add_option(words, "acpi", "s4=on");
    if (guest->on_crash_continue)
        enlt_words_add_option(words, "on-crash", "continue");
    if (guest->no_reboot)
        enlt_words_add(words, "--no-reboot");
    if (guest->keep_packed)
        enlt_words_add(words, "--keep-packed");
    if (guest->max_vmbus_version) {
        enlt_words_add(words, "--vmbus");
        enlt_words_add(words, "max-version=%u.%u", guest->max_vmbus_version >> 16,
                       guest->max_vmbus_version & 0xffff);
    }
    if (guest->offer_seed) {
        enlt_words_add(words, "--vmbus");
        enlt_words_add(words, "offer-seed=%llu", (unsigned long long)guest->offer_seed);
    }
}

void
enlt_guest_words(const struct enlt_guest *guest, struct enlt_words *words)
{
    enlt_words_add_option(words, "kernel", guest->kernel);
    enlt_words_add_option(words, "initrd", guest->initrd);
    enlt_words_add_option(words, "cmdline", guest->cmdline);
    for (size_t i = 0; i < guest->disk_count; i++)
        disk_words(&guest->disks[i], words);
    number_word(words, "controllers", guest->controllers);
    for (size_t i = 0; i < guest->nic_count; i++)
        enlt_nic_words(&guest->nics[i], words);
    enlt_words_add(words, "--memory");
    enlt_words_add(words, "%lluK", (unsigned long long)(guest->memory >> 10));
    number_word(words, "cpus", guest->cpus);
    choice_word(words, "engine", engine_names, guest->engine);
    for (size_t i = 0; i < guest->hv_list_count; i++)
        enlt_words_add_option(words, "hv", guest->hv_list[i]);
    enlt_words_add_option(words, "control", guest->control);
    enlt_words_add_option(words, "console",
                          guest->console == ENLM_CONSOLE_NONE ? "none" : "stdio");
    choice_word(words, "log-level", level_names, guest->log_level);
    switch_words(guest, words);
}

void
enlt_guest_print(const struct enlt_guest *guest, const char *accel)
{
    struct enlt_words words = {0};
    char names[1024];

    enlt_guest_words(guest, &words);
    printf("accel: %s\n", accel);
    for (size_t i = 0; i < words.count; i++) {
        const char *value = words.word[i + 1]; /* NULL behind the last */

        if (strncmp(words.word[i], "--", 2) != 0 || !strcmp(words.word[i], "--hv"))
            continue;
        bool flag = !value || strncmp(value, "--", 2) == 0;
        printf("%s: %s\n", words.word[i] + 2, flag ? "on" : value);
    }
    enlt_hv_names(&guest->hv.features, names, sizeof(names));
    printf("hv: %s\n", names);
    for (size_t i = 0; i < words.count; i++)
        free(words.word[i]);
    free(words.word);
}
