/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/check/report.c - the verdicts as TAP and as JUnit
 *
 * Run by "enlight check" after each boot. The details are a guest's words, which may be
 * anything: nothing of them reaches a terminal, a TAP directive or an XML element as such.
 * Tests: test/unit/tool_check.c.
 */
#include "tool/check/check.h"

/* What a terminal would obey is a question mark. */
static int
plain(char c)
{
    return c >= ' ' && c < 0x7F ? c : '?';
}

static void
put_plain(FILE *file, const char *text)
{
    for (; *text; text++)
        putc(plain(*text), file);
}

/* The end of the console, a line as put() writes it. */
static void
put_tail(FILE *file, const struct enlt_check_boot *boot, const char *prefix,
         void (*put)(FILE *file, const char *text))
{
    size_t first = boot->lines > ENLT_CHECK_TAIL ? boot->lines - ENLT_CHECK_TAIL : 0;

    for (size_t i = first; i < boot->lines; i++) {
        fputs(prefix, file);
        put(file, boot->tail[i % ENLT_CHECK_TAIL]);
        putc('\n', file);
    }
}

void
enlt_check_tail(FILE *file, const struct enlt_check_boot *boot, const char *prefix)
{
    put_tail(file, boot, prefix, put_plain);
}

/* ---- TAP ---- */

/* A lone # would start a directive. */
static void
put_description(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '#' || *text == '\\')
            putc('\\', file);
        putc(plain(*text), file);
    }
}

static void
tap_row(FILE *file, const struct enlt_check_boot *boot, const struct enlt_check_row *row,
        size_t number)
{
    bool skipped = row->verdict == ENLT_CHECK_SKIPPED;

    fprintf(file, "%sok %zu - ", row->verdict == ENLT_CHECK_FAILED ? "not " : "", number);
    if (boot->vmbus)
        fprintf(file, "VMBus %s: ", boot->vmbus);
    put_description(file, row->what);
    if (row->detail[0])
        fputs(skipped ? " # SKIP " : ": ", file);
    put_description(file, row->detail);
    putc('\n', file);
}

size_t
enlt_check_tap(FILE *file, const struct enlt_check_boot *boot,
               const struct enlt_check_row *rows, size_t count, size_t *number)
{
    size_t failed = 0;

    for (size_t i = 0; i < count; i++) {
        failed += rows[i].verdict == ENLT_CHECK_FAILED;
        tap_row(file, boot, &rows[i], ++*number);
    }
    if (failed)
        enlt_check_tail(file, boot, "# console: ");
    fflush(file);
    return failed;
}

/* ---- JUnit ---- */

/* As XML has it. */
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
            putc(plain(*text), file);
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
            " <testsuite name=\"%s%s\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\" "
            "time=\"%.1f\">\n",
            boot->vmbus ? "VMBus " : "check", boot->vmbus ? boot->vmbus : "", count,
            failed, skipped, boot->seconds);
    for (size_t i = 0; i < count; i++)
        junit_row(file, &rows[i]);
    if (failed) {
        fprintf(file, "  <system-out>");
        put_tail(file, boot, "", escape);
        fprintf(file, "</system-out>\n");
    }
    fprintf(file, " </testsuite>\n");
}
