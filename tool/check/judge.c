/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/check/judge.c - what a boot said, and what follows from it
 *
 * Run by "enlight check" for each line of the guest's console, which may be anything. A
 * fact that is missing is a failure, told with the driver whose work it would have been.
 * Tests: test/unit/tool_check.c.
 */
#include "tool/check/check.h"

#include <string.h>

#include "tool/status.h"

#define MARK     "enlight-check: "
#define LOG_MARK "enlight: info: "
#define STORAGE  "storage protocol"
#define NETWORK  "network protocol"

static void
keep_fact(struct enlt_check_boot *boot, const char *text)
{
    if (boot->fact_count < ENLT_CHECK_FACTS)
        snprintf(boot->facts[boot->fact_count++], ENLT_CHECK_LINE, "%s", text);
}

/* What enlight itself says of a device, "DEVICE: storage protocol 6.2", is a fact, too. */
static void
take_log(struct enlt_check_boot *boot, const char *text)
{
    static const char *const facts[] = {STORAGE, NETWORK};

    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        const char *at = strstr(text, facts[i]);

        if (at)
            keep_fact(boot, at);
    }
}

/* Anything may stand before the marks: a kernel's line that has not ended. */
void
enlt_check_line(struct enlt_check_boot *boot, const char *line)
{
    const char *mark = strstr(line, MARK), *log = strstr(line, LOG_MARK);
    const char *panic = strstr(line, "Kernel panic - ");

    snprintf(boot->tail[boot->lines++ % ENLT_CHECK_TAIL], ENLT_CHECK_LINE, "%s", line);
    if (mark)
        keep_fact(boot, mark + strlen(MARK));
    else if (log)
        take_log(boot, log);
    else if (panic && !boot->panic[0])
        snprintf(boot->panic, sizeof(boot->panic), "%s", panic);
}

/* What stands behind the words of a fact, or NULL: nobody said it. */
static const char *
fact(const struct enlt_check_boot *boot, const char *words)
{
    size_t len = strlen(words);

    for (size_t i = 0; i < boot->fact_count; i++) {
        const char *text = boot->facts[i];

        if (strncmp(text, words, len) == 0 && (text[len] == ' ' || text[len] == 0))
            return text + len + (text[len] == ' ');
    }
    return NULL;
}

static void
verdict(struct enlt_check_row *row, bool good, const char *what, const char *detail)
{
    snprintf(row->what, sizeof(row->what), "%s", what);
    snprintf(row->detail, sizeof(row->detail), "%s", detail ? detail : "");
    row->verdict = good ? ENLT_CHECK_PASSED : ENLT_CHECK_FAILED;
}

static void
skip(struct enlt_check_row *row, const char *what, const char *why)
{
    verdict(row, true, what, why);
    row->verdict = ENLT_CHECK_SKIPPED;
}

/* Where the end came too early. */
static const char *
how_it_ended(const struct enlt_check_boot *boot)
{
    if (boot->timed_out)
        return "it did not within the time";
    if (boot->panic[0])
        return boot->panic;
    switch (boot->status) {
    case ENLT_SHUTDOWN:
        return "it powered off too early";
    case ENLT_RESET:
        return "it reset the machine";
    case ENLT_CRASH:
        return "it crashed";
    default:
        return "the machine could not go on";
    }
}

static void
judge_start(const struct enlt_check_boot *boot, struct enlt_check_row *row)
{
    const char *kernel = fact(boot, "kernel");

    verdict(row, kernel, "the kernel starts its first program",
            kernel ? kernel : how_it_ended(boot));
}

static void
judge_hypervisor(const struct enlt_check_boot *boot, struct enlt_check_row *row)
{
    const char *hypervisor = fact(boot, "hypervisor");
    bool good = hypervisor && strstr(hypervisor, "Hyper-V");

    verdict(row, good, "it knows that it runs on Hyper-V",
            good ? hypervisor : "was it built with CONFIG_HYPERV?");
}

static void
judge_vmbus(const struct enlt_check_boot *boot, struct enlt_check_row *row)
{
    const char *version = fact(boot, "vmbus");
    char why[ENLT_CHECK_LINE];
    bool good = version && version[0];

    if (!good)
        snprintf(why, sizeof(why), "hv_vmbus did not connect: is it in the initramfs?");
    else if (boot->vmbus && strcmp(version, boot->vmbus) != 0)
        snprintf(why, sizeof(why), "version %.16s, where %s was expected", version,
                 boot->vmbus);
    else
        snprintf(why, sizeof(why), "version %.16s", version);
    verdict(row, good && (!boot->vmbus || strcmp(version, boot->vmbus) == 0),
            "hv_vmbus connects to the bus", why);
}

/* A device of this class has this driver, which took a version of this protocol. */
static void
judge_driver(const struct enlt_check_boot *boot, struct enlt_check_row *row,
             const char *class, const char *driver, const char *protocol)
{
    char words[64], what[64], why[ENLT_CHECK_LINE];

    snprintf(words, sizeof(words), "device %s", class);
    snprintf(what, sizeof(what), "%s is bound", driver);
    const char *bound = fact(boot, words), *version = fact(boot, protocol);
    if (!bound)
        snprintf(why, sizeof(why), "the kernel saw no such device");
    else if (strcmp(bound, "none") == 0)
        snprintf(why, sizeof(why), "its device has no driver: is %s in the initramfs?",
                 driver);
    else
        snprintf(why, sizeof(why), "by %.64s, %s %.16s", bound, protocol,
                 version ? version : "unknown");
    verdict(row, bound && strcmp(bound, driver) == 0, what, why);
}

static void
judge_disk(const struct enlt_check_boot *boot, struct enlt_check_row *row)
{
    const char *disk = fact(boot, "disk");
    bool is_there = disk && strcmp(disk, "none") != 0;

    verdict(row, is_there && !strstr(disk, "unreadable"), "the disk can be read",
            is_there ? disk
            : disk   ? "the kernel has no disk"
                     : "nothing was said of it");
}

static void
judge_root(const struct enlt_check_boot *boot, struct enlt_check_row *row)
{
    const char *root = fact(boot, "root");

    if (!boot->has_root) {
        skip(row, "the root file system mounts", "no --root");
        return;
    }
    verdict(row, root && strncmp(root, "none", 4) != 0, "the root file system mounts",
            root ? root : "nothing was said of it");
}

/* "NAME ADDRESS RECEIVED SENT" */
static void
judge_traffic(const struct enlt_check_boot *boot, struct enlt_check_row *row)
{
    const char *nic = fact(boot, "nic");
    char name[32], address[64];
    unsigned long received = 0, sent = 0;
    int fields =
        nic ? sscanf(nic, "%31s %63s %lu %lu", name, address, &received, &sent) : 0;

    verdict(row, fields == 4 && strcmp(address, "none") != 0 && received && sent,
            "the NIC carries traffic", nic ? nic : "nothing was said of it");
}

/* An initramfs may do without them: the installed system has them. */
static void
judge_services(const struct enlt_check_boot *boot, struct enlt_check_row *row)
{
    const char *bound = fact(boot, "device 57164f39-9115-4e78-ab55-382f3bd5422d");
    const char *what = "hv_utils serves the integration services";
    const char *version = fact(boot, "service Heartbeat");
    char text[64];

    if (!bound || strcmp(bound, "hv_utils") != 0) {
        skip(row, what, "hv_utils is not in the initramfs");
        return;
    }
    snprintf(text, sizeof(text), "heartbeat %.16s", version ? version : "?");
    verdict(row, true, what, text);
}

static void
judge_end(const struct enlt_check_boot *boot, struct enlt_check_row *row)
{
    bool good = fact(boot, "end") && boot->status == ENLT_SHUTDOWN && !boot->timed_out;

    verdict(row, good, "the guest powers off", good ? "" : how_it_ended(boot));
}

size_t
enlt_check_judge(const struct enlt_check_boot *boot, struct enlt_check_row *rows)
{
    size_t count = 0;

    judge_start(boot, &rows[count++]);
    if (fact(boot, "kernel")) {
        judge_hypervisor(boot, &rows[count++]);
        judge_vmbus(boot, &rows[count++]);
        judge_driver(boot, &rows[count++], "ba6163d9-04a1-4d29-b605-72e2ffb1dc7f",
                     "hv_storvsc", STORAGE);
        judge_disk(boot, &rows[count++]);
        judge_root(boot, &rows[count++]);
        if (boot->has_nic) {
            judge_driver(boot, &rows[count++], "f8615163-df3e-46c5-913f-f2d2f965ed0e",
                         "hv_netvsc", NETWORK);
            judge_traffic(boot, &rows[count++]);
        }
        judge_services(boot, &rows[count++]);
    }
    judge_end(boot, &rows[count++]);
    return count;
}
