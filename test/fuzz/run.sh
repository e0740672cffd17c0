#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/fuzz/run.sh [--minutes N] [--replay] [TARGET...] - libFuzzer over both halves, the rings
# and the control socket.
#
# A target is test/fuzz/NAME.c with LLVMFuzzerTestOneInput(); its corpus is
# test/fuzz/corpus/NAME. Builds with clang under AddressSanitizer and
# UndefinedBehaviorSanitizer in build-fuzz. --replay runs each corpus once and changes nothing.
# Otherwise each target fuzzes for N minutes (1); what it finds is left in build-fuzz/found.
# A corpus grows by: build-fuzz/NAME -set_cover_merge=1 -use_counters=0 test/fuzz/corpus/NAME
# build-fuzz/corpus/NAME.
# Prints TAP, then "N passed, N failed, N skipped".
set -u -o pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
out=${FUZZ_BUILD:-build-fuzz}
minutes=1 replay='' targets=() passed=0 failed=0

while [ $# -gt 0 ]; do
    case $1 in
    --minutes) minutes=$2 && shift ;;
    --replay) replay=1 ;;
    *) targets+=("$1") ;;
    esac
    shift
done
if [ ${#targets[@]} -eq 0 ]; then
    for source in test/fuzz/*.c; do
        grep -q LLVMFuzzerTestOneInput "$source" && targets+=("$(basename "$source" .c)")
    done
fi

# Everything but the targets, compiled once. It is an archive, so a target may bring its own
# build of a source. The rigs are no part of what is to be covered.
library()
{
    local source object objects=()
    while read -r source; do
        object=$out/lib/${source//\//-}.o
        objects+=("$object")
        case $source in
        test/*) compile -c "$source" -o "$object" || return 1 ;;
        *) compile -fsanitize=fuzzer-no-link -c "$source" -o "$object" || return 1 ;;
        esac
    done < <(git ls-files 'common/*.c' 'host/*.c' backend/block/memory.c backend/block/work.c \
        backend/net/merge.c backend/net/packet.c vmm/loop.c \
        vmm/control/{frame,schema,server,session}.c 'guest/core/*.c' 'guest/vmbus/*.c' 'guest/dev/*.c' &&
        printf '%s\n' test/fuzz/rig*.c)
    rm -f "$out/libfuzz.a"
    ar crs "$out/libfuzz.a" "${objects[@]}"
}

compile()
{
    clang -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
        -fno-strict-aliasing -D_GNU_SOURCE= '-DENLIGHT_VERSION="0"' -Iinclude -I. -Itest/fuzz "$@"
}

build()
{
    compile -fsanitize=fuzzer "test/fuzz/$1.c" "$out/libfuzz.a" -ljansson -o "$out/$1"
}

fuzz()
{
    local corpus=test/fuzz/corpus/$1
    mkdir -p "$corpus" "$out/found" "$out/corpus/$1"
    if [ -n "$replay" ]; then
        "$out/$1" -runs=0 "$corpus" >"$out/$1.log" 2>&1
    else
        echo "run.sh: $1 for $minutes minutes" >&2
        "$out/$1" -max_total_time=$((minutes * 60)) -artifact_prefix="$out/found/$1-" -timeout=10 \
            -rss_limit_mb=1024 "$out/corpus/$1" "$corpus" >"$out/$1.log" 2>&1
    fi
}

mkdir -p "$out/lib"
library || exit 1
for target in "${targets[@]}"; do
    if build "$target" && fuzz "$target"; then
        passed=$((passed + 1))
        echo "ok - fuzz $target: $(grep -E 'DONE|Done' "$out/$target.log" | tail -n 1)"
    else
        failed=$((failed + 1))
        tail -n 30 "$out/$target.log" 2>/dev/null | sed 's/^/# /'
        echo "not ok - fuzz $target"
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
