#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/coverage/run.sh - how many lines the unit tests, the loop tests and the fuzz corpora run, all together.
#
# What "make coverage" calls: builds with gcc's counters in build-coverage, runs everything once, and prints the lines
# covered of each file of guest/ and host/vmbus/, then of each folder. Exit status 0 only if every test passed and
# each of the two has 90 % or more. build-coverage/report holds each line, as HTML.
set -u -o pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
out=${COVERAGE_BUILD:-build-coverage}
goal=90 failed=0
export CCACHE_DISABLE=1 # the counters' files have the build's own paths in them

# All but those of rooms that do not use the two folders; prints the names of those that failed.
programs()
{
    # shellcheck disable=SC2016 # the inner shell's own
    find "$out/test" -maxdepth 1 -type f -perm -u+x \( -name 'unit_*' -o -name 'loop_*' \) -print |
        grep -v -E '/unit_(block|control|kvm|tool|vmm)_|[.]log$' | sort |
        xargs -P "$(nproc)" -I{} sh -c 'timeout 900 "$1" >"$1.log" 2>&1 || echo "$1"' sh {}
}

# The corpora of the two halves, by targets that gcc built: the fuzzer's own build has other counters.
corpora()
{
    local source name
    mkdir -p "$out/fuzz"
    for source in test/fuzz/*.c; do
        if ! grep -q LLVMFuzzerTestOneInput "$source" || grep -q '"vmm/' "$source"; then
            continue
        fi
        name=$(basename "$source" .c)
        gcc -std=gnu11 -g -O1 --coverage -fno-strict-aliasing -Iinclude -I. -Itest/fuzz -o "$out/fuzz/$name" \
            "$source" test/fuzz/rig*.c test/coverage/replay.c "$out"/libenlight-{guest-hosted,host,block}.a \
            -luring -lpthread >"$out/fuzz/$name.log" 2>&1 &&
            timeout 300 "$out/fuzz/$name" "test/fuzz/corpus/$name" >>"$out/fuzz/$name.log" 2>&1 ||
            echo "$out/fuzz/$name"
    done
}

# Lines of "path lines covered percent", from gcovr's own table of numbers.
table()
{
    gcovr --root . --object-directory "$out" --filter 'guest/' --filter 'host/vmbus/' --exclude 'test/' --csv \
        --html-details "$out/report/index.html" "$out" 2>"$out/gcovr.log" |
        awk -F, 'NR > 1 { print $1, $2, $3 }'
}

[ -f "$out/build.ninja" ] || meson setup -Dwerror=false -Db_coverage=true -Doptimization=1 "$out" >/dev/null || exit 1
ninja -C "$out" -t targets all | sed -n -E 's,^(test/(unit|loop)_[a-z0-9_]+): .*,\1,p' |
    xargs ninja -C "$out" --quiet || exit 1
find "$out" -name '*.gcda' -delete
mkdir -p "$out/report"
bad=$(programs && corpora)
table >"$out/table" || { cat "$out/gcovr.log" >&2; exit 1; }
awk -v goal=$goal '
    { printf "%6.1f %%  %5d of %5d  %s\n", $2 ? 100 * $3 / $2 : 100, $3, $2, $1
      part = $1 ~ /^guest\// ? "guest/" : "host/vmbus/"; lines[part] += $2; covered[part] += $3
      n = split($1, name, "/"); folder = substr($1, 1, length($1) - length(name[n])); all[folder] += $2; run[folder] += $3 }
    END {
        for (folder in all) if (!(folder in lines)) printf "%6.1f %%  %s\n", 100 * run[folder] / all[folder], folder | "sort -k 3"
        close("sort -k 3")
        for (part in lines) {
            percent = 100 * covered[part] / lines[part]
            enough = (percent >= goal)
            printf "%s - coverage of %s: %.1f %% of %d lines\n", (enough ? "ok" : "not ok"), part, percent, lines[part]
            low += !enough
        }
        exit low > 0 || !("guest/" in lines) || !("host/vmbus/" in lines)
    }' "$out/table" || failed=1
for program in $bad; do
    tail -n 20 "$program.log" | sed 's/^/# /'
    echo "not ok - $program"
    failed=1
done
exit $failed
