#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/check.sh [--all] [SUITE...] - build everything and run the tests; what "make check" calls.
#
# Suites, in this order: lint unit archive install loop arm64 model guest os. Each prints TAP ("ok", "not ok", "# SKIP reason");
# this script keeps every suite's output under $BUILD/check, shows a line for each suite and every failure, and ends with
# "N passed, N failed, N skipped". Exit status 0 only if nothing failed and every suite ran a test.
# --all: the full product of the os suite, and the mutation list.
set -u -o pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1
BUILD=${BUILD:-build}
logs=$BUILD/check
passed=0 failed=0 skipped=0
all='' suites=()

while [ $# -gt 0 ]; do
    case $1 in
    --all) all=--all ;;
    *) suites+=("$1") ;;
    esac
    shift
done
[ ${#suites[@]} -gt 0 ] || suites=(lint unit archive install loop arm64 model guest os)

build()
{
    [ -f "$BUILD/build.ninja" ] || meson setup "$BUILD" >/dev/null || exit 1
    echo "check.sh: building in $BUILD"
    ninja -C "$BUILD" --quiet || exit 1
}

# A program of a suite that died has failed, whatever it printed before.
programs()
{
    local exe status
    for exe in "$BUILD"/test/"$1"_*; do
        if [ -d "$exe" ] || [ ! -x "$exe" ]; then
            continue
        fi
        echo "# ${exe##*/}"
        CMOCKA_MESSAGE_OUTPUT=TAP timeout 600 "$exe" >"$logs/program" 2>&1
        status=$?
        cat "$logs/program"
        # A failed case has its own line; a sanitizer, a signal or the time-out leaves none.
        if [ $status -ne 0 ] && ! grep -q -a '^not ok' "$logs/program"; then
            echo "not ok - ${exe##*/} ended with status $status"
        fi
    done
}

suite_lint() { test/lint/run.sh "$BUILD"; }
suite_unit() { programs unit; }
suite_archive() { test/archive/run.sh "$BUILD"; }
suite_install() { test/install/run.sh "$BUILD"; }
suite_loop() { programs loop; }
suite_arm64() { test/loop/arm64.sh "$BUILD"; }
suite_model() { test/model/run.sh; }
suite_guest()
{
    local status=0
    test/guest/run.sh "$BUILD" || status=$?
    test/guest/unikernel.sh "$BUILD" || status=$?
    return $status
}
suite_os() { test/os/run.sh $all "$BUILD/tool/enlight"; }
suite_mutation() { test/mutation/run.sh; }

count()
{
    grep -a -c -E "$1" "$2" || true
}

run_suite()
{
    local log=$logs/$1.tap started=$SECONDS status ok bad skip
    echo "check.sh: $1 ..."
    "suite_$1" >"$log" 2>&1
    status=$?
    skip=$(count '^ok.*# SKIP' "$log")
    ok=$(($(count '^ok' "$log") - skip))
    bad=$(count '^not ok' "$log")
    if [ $status -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
        tail -n 20 "$log"
    fi
    [ $((ok + bad + skip)) -gt 0 ] || bad=1
    grep -a -B 12 -E '^not ok' "$log" | sed 's/^/    /'
    grep -a -E '^ok.*# SKIP' "$log" | sed 's/^/    /'
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    echo "check.sh: $1: $ok passed, $bad failed, $skip skipped, $((SECONDS - started)) s"
}

build
mkdir -p "$logs"
for suite in "${suites[@]}"; do
    run_suite "$suite"
done
[ -z "$all" ] || run_suite mutation
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
