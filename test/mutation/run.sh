#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/mutation/run.sh [--jobs N] [NAME...] - break each mechanism on purpose; a named test must notice.
#
# test/mutation/list has a line for each mechanism that ordinary boots would not miss:
#   name | test program (as built, e.g. unit_ring_packet) | file | sed -E script
# NAME may be a shell pattern ('ring_*'). Works in copies of the tree under TMPDIR, one for each of N jobs (as many as
# processors), built with the address and undefined behaviour sanitizers: for each mutation one file is compiled and one
# test linked; all mutations of a test are one job's. Prints TAP: "ok" when the test turned red or hung, "not ok" when
# the mutation survived, did not apply, or did not compile, or when a test is red without any mutation.
set -u -o pipefail
tree=$(dirname "$(readlink -f "$0")")/../..
tree=$(readlink -f "$tree")
top=$(mktemp -d "${TMPDIR:-/tmp}/enlight-mutation.XXXXXX")
trap 'rm -rf "$top"' EXIT
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1
jobs=$(nproc)
if [ "${1:-}" = --jobs ]; then
    jobs=$2
    shift 2
fi

# The lines of the list that were asked for, as "name<TAB>program<TAB>file<TAB>script".
wanted()
{
    local name program file script pattern
    awk -F ' +[|] +' -v OFS='\t' '!/^#/ && NF { print $1, $2, $3, $4 }' "$tree/test/mutation/list" |
        while IFS=$'\t' read -r name program file script; do
            for pattern in "$@"; do
                # shellcheck disable=SC2053 # a pattern on purpose
                if [[ $name == $pattern ]]; then
                    printf '%s\t%s\t%s\t%s\n' "$name" "$program" "$file" "$script"
                    break
                fi
            done
        done
}

# share LIST: deals the tests out to LIST.1 to LIST.N, the ones with the most mutations first.
share()
{
    awk -F '\t' -v jobs="$jobs" -v list="$1" '
        { line[NR] = $0; of[NR] = $2; count[$2]++ }
        END {
            for (most = NR; most > 0; most--)
                for (program in count) {
                    if (count[program] != most) continue
                    least = 1
                    for (j = 2; j <= jobs; j++) if (load[j] + 0 < load[least] + 0) least = j
                    load[least] += most; job[program] = least
                }
            for (i = 1; i <= NR; i++) print line[i] >(list "." job[of[i]])
        }' "$1"
}

# ---- one job, in $work ----

copy_tree()
{
    if mkdir "$work" && git -C "$tree" ls-files -z | (cd "$tree" && xargs -0 cp --parents -t "$work" --) &&
        meson setup -Dwerror=false -Db_sanitize=address,undefined "$work/build" "$work" >/dev/null; then
        return
    fi
    echo "not ok - no copy of the tree could be made"
    exit 1
}

compile() { ninja -C "$work/build" -j "$((($(nproc) + jobs - 1) / jobs))" --quiet "${@/#/test/}" >"$work/log" 2>&1; }
show_log() { tail -n 5 "$work/log" | sed 's/^/# /'; }

# is_green PROGRAM SECONDS: what takes longer hangs. Of the lives that a loop test tries, some are enough. A duel of
# two threads for each nanosecond gets the machine for itself, as far as it is ours.
is_green()
{
    local few=() lock=--shared
    case $1 in
    loop_life) few=(--seeds 1200) ;;
    *_fence | *_stress) lock=--exclusive ;;
    esac
    # The braces take what the shell says about a test that was killed.
    { flock $lock "$top/lock" timeout -k 5 "$2" "$work/build/test/$1" "${few[@]}"; } >"$work/log" 2>&1
}

# A red test notices everything, so each must be green in the tree as it is. How long it takes says when it hangs.
declare -A limit
baseline()
{
    local program began
    if ! compile "$@"; then
        show_log
        echo "not ok - the tests do not compile"
        exit 1
    fi
    for program in "$@"; do
        began=$SECONDS
        if is_green "$program" 300; then
            limit[$program]=$((15 + 5 * (SECONDS - began)))
        else
            show_log
            echo "not ok - $program is red without a mutation"
        fi
    done
}

# mutate FILE SCRIPT: applies it, and says whether anything changed.
mutate()
{
    cp "$work/$1" "$work/original"
    sed -i -E "$2" "$work/$1"
    ! cmp -s "$work/original" "$work/$1"
}

judge()
{
    local name=$1 program=$2 file=$3
    if [ -z "${limit[$program]:-}" ]; then
        echo "not ok - $name: $program cannot tell"
        return
    fi
    if ! mutate "$file" "$4"; then
        echo "not ok - $name: changes nothing in $file"
        return
    fi
    if ! compile "$program"; then
        show_log
        echo "not ok - $name: does not compile"
    elif is_green "$program" "${limit[$program]}"; then
        echo "not ok - $name: $program does not notice"
    else
        echo "ok - $name: $program notices"
    fi
    # Newer than what was built from the mutation, or it would stay in the build.
    cp "$work/original" "$work/$file"
}

# job LIST
job()
{
    local name program file script programs
    work=$1.tree
    copy_tree
    mapfile -t programs < <(cut -f 2 "$1" | sort -u)
    baseline "${programs[@]}"
    while IFS=$'\t' read -r name program file script; do
        judge "$name" "$program" "$file" "$script"
    done <"$1"
}

[ $# -gt 0 ] || set -- '*'
wanted "$@" >"$top/list"
if [ ! -s "$top/list" ]; then
    echo "run.sh: no mutation of this name: $*" >&2
    exit 64
fi
share "$top/list"
for part in "$top"/list.*; do
    job "$part" &
done
wait
