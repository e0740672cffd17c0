/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/check/report.c - what a boot said, and what follows from it
 *
 * Run by "enlight check" for each line of the guest's console, which may be anything. A
 * fact that is missing is a failure, told with the driver whose work it would have been.
 * Tests: test/unit/tool_check.c.
 */
#include "tool/check/check.h"

#include <string.h>

#define MARK "enlight-check: "

void
enlt_check_line(struct enlt_check_boot *boot, const char *line)
{
    const char *fact = strstr(line, MARK);

    snprintf(boot->tail[boot->lines++ % ENLT_CHECK_TAIL], ENLT_CHECK_LINE, "%s", line);
    if (fact && boot->fact_count < ENLT_CHECK_FACTS)
        snprintf(boot->facts[boot->fact_count++], ENLT_CHECK_LINE, "%s",
                 fact + strlen(MARK));
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

static void
judge_start(const struct enlt_check_boot *boot, struct enlt_check_row *row)
{
    const char *kernel = fact(boot, "kernel");

    verdict(row, kernel, "the kernel starts its first program",
            kernel            ? kernel
            : boot->timed_out ? "it did not within the time"
                              : "the machine ended before");
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

/* A device of this class has this driver. */
static void
judge_driver(const struct enlt_check_boot *boot, struct enlt_check_row *row,
             const char *class, const char *driver)
{
    char words[64], what[64], why[ENLT_CHECK_LINE];
    const char *bound;

    snprintf(words, sizeof(words), "device %s", class);
    snprintf(what, sizeof(what), "%s is bound", driver);
    bound = fact(boot, words);
    if (!bound)
        snprintf(why, sizeof(why), "the kernel saw no such device");
    else if (strcmp(bound, "none") == 0)
        snprintf(why, sizeof(why), "its device has no driver: is %s in the initramfs?",
                 driver);
    else
        snprintf(why, sizeof(why), "by %.64s", bound);
    verdict(row, bound && strcmp(bound, driver) == 0, what, why);
}

static void
judge_disk(const struct enlt_check_boot *boot, struct enlt_check_row *row)
{
    const char *disk = fact(boot, "disk");
    bool good = disk && strcmp(disk, "none") != 0 && !strstr(disk, "unreadable");

    verdict(row, good, "the disk can be read",
            good   ? disk
            : disk ? disk
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
    bool good = fact(boot, "end") && boot->status == 0 && !boot->timed_out;
    char why[ENLT_CHECK_LINE];

    snprintf(why, sizeof(why), "%s, exit status %d",
             boot->timed_out ? "it did not within the time" : "the machine ended",
             boot->status);
    verdict(row, good, "the guest powers off", good ? "" : why);
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
                     "hv_storvsc");
        judge_disk(boot, &rows[count++]);
        judge_root(boot, &rows[count++]);
        if (boot->has_nic) {
            judge_driver(boot, &rows[count++], "f8615163-df3e-46c5-913f-f2d2f965ed0e",
                         "hv_netvsc");
            judge_traffic(boot, &rows[count++]);
        }
        judge_services(boot, &rows[count++]);
    }
    judge_end(boot, &rows[count++]);
    return count;
}

/* ---- TAP ---- */

static void
print_tail(const struct enlt_check_boot *boot)
{
    size_t first = boot->lines > ENLT_CHECK_TAIL ? boot->lines - ENLT_CHECK_TAIL : 0;

    for (size_t i = first; i < boot->lines; i++)
        printf("# console: %s\n", boot->tail[i % ENLT_CHECK_TAIL]);
}

size_t
enlt_check_tap(const struct enlt_check_boot *boot, const struct enlt_check_row *rows,
               size_t count, size_t *number)
{
    size_t failed = 0;

    for (size_t i = 0; i < count; i++) {
        const struct enlt_check_row *row = &rows[i];
        bool bad = row->verdict == ENLT_CHECK_FAILED;

        failed += bad;
        printf("%sok %zu - %s%s%s", bad ? "not " : "", ++*number, boot->name,
               boot->name[0] ? ": " : "", row->what);
        if (row->verdict == ENLT_CHECK_SKIPPED)
            printf(" # SKIP %s\n", row->detail);
        else
            printf("%s%s\n", row->detail[0] ? ": " : "", row->detail);
    }
    if (failed)
        print_tail(boot);
    fflush(stdout);
    return failed;
}

/* ---- JUnit ---- */

/* Anything that a guest can say, as XML has it. */
static void
escape(FILE *file, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '&':
            fputs("&amp;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            putc(*text >= ' ' && *text < 0x7F ? *text : '?', file);
        }
    }
}

static void
junit_row(FILE *file, const struct enlt_check_row *row)
{
    static const char *const marks[] = {"system-out", "failure", "skipped"};

    fprintf(file, "  <testcase classname=\"enlight.check\" name=\"");
    escape(file, row->what);
    fprintf(file, "\">");
    if (row->verdict == ENLT_CHECK_PASSED) {
        fprintf(file, "<system-out>");
        escape(file, row->detail);
        fprintf(file, "</system-out>");
    } else {
        fprintf(file, "<%s message=\"", marks[row->verdict]);
        escape(file, row->detail);
        fprintf(file, "\"/>");
    }
    fprintf(file, "</testcase>\n");
}

void
enlt_check_junit(FILE *file, const struct enlt_check_boot *boot,
                 const struct enlt_check_row *rows, size_t count)
{
    size_t failed = 0, skipped = 0;

    for (size_t i = 0; i < count; i++) {
        failed += rows[i].verdict == ENLT_CHECK_FAILED;
        skipped += rows[i].verdict == ENLT_CHECK_SKIPPED;
    }
    fprintf(file,
            " <testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\" "
            "time=\"%.1f\">\n",
            boot->name[0] ? boot->name : "check", count, failed, skipped, boot->seconds);
    for (size_t i = 0; i < count; i++)
        junit_row(file, &rows[i]);
    fprintf(file, " </testsuite>\n");
}
