#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/mutation/run.sh [NAME...] - break each mechanism on purpose; a named test must notice.
#
# test/mutation/list has a line for each mechanism that ordinary boots would not miss:
#   name | test program (as built, e.g. unit_ring_packet) | file | sed -E script
# NAME may be a shell pattern ('ring_*'). Works in one copy of the tree under TMPDIR, built with the address and
# undefined behaviour sanitizers: for each mutation one file is compiled and one test linked. Prints TAP: "ok" when
# the test turned red or hung, "not ok" when the mutation survived, did not apply, or did not compile, or when a
# test is red without any mutation.
set -u -o pipefail
tree=$(dirname "$(readlink -f "$0")")/../..
tree=$(readlink -f "$tree")
work=$(mktemp -d "${TMPDIR:-/tmp}/enlight-mutation.XXXXXX")
trap 'rm -rf "$work"' EXIT
seconds=120 # the slowest test takes some ten on a quiet machine; what takes longer than this hangs
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1

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

copy_tree()
{
    git -C "$tree" ls-files -z | (cd "$tree" && xargs -0 cp --parents -t "$work" --) || exit 1
    meson setup -Dwerror=false -Db_sanitize=address,undefined "$work/build" "$work" >/dev/null || exit 1
}

compile() { ninja -C "$work/build" --quiet "${@/#/test/}" >"$work/log" 2>&1; }
# The braces take what the shell says about a test that was killed.
is_green() { { timeout -k 5 $seconds "$work/build/test/$1"; } >"$work/log" 2>&1; }
show_log() { tail -n 5 "$work/log" | sed 's/^/# /'; }

# A red test notices everything, so each must be green in the tree as it is.
baseline()
{
    local program
    if ! compile "$@"; then
        show_log
        echo "not ok - the tests do not compile"
        exit 1
    fi
    for program in "$@"; do
        is_green "$program" && continue
        show_log
        echo "not ok - $program is red without a mutation"
        exit 1
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
    if ! mutate "$file" "$4"; then
        echo "not ok - $name: changes nothing in $file"
        return
    fi
    if ! compile "$program"; then
        show_log
        echo "not ok - $name: does not compile"
    elif is_green "$program"; then
        echo "not ok - $name: $program does not notice"
    else
        echo "ok - $name: $program notices"
    fi
    # Newer than what was built from the mutation, or it would stay in the build.
    cp "$work/original" "$work/$file"
}

[ $# -gt 0 ] || set -- '*'
wanted "$@" >"$work.list"
trap 'rm -rf "$work" "$work.list"' EXIT
if [ ! -s "$work.list" ]; then
    echo "run.sh: no mutation of this name: $*" >&2
    exit 64
fi
copy_tree
mapfile -t programs < <(cut -f 2 "$work.list" | sort -u)
baseline "${programs[@]}"
while IFS=$'\t' read -r name program file script; do
    judge "$name" "$program" "$file" "$script"
done <"$work.list"
