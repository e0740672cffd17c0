#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/mutation/run.sh [NAME...] - break each mechanism on purpose; a named test must notice.
#
# test/mutation/list has a line for each mechanism that ordinary boots would not miss:
#   name | file | sed script | test program (as built, e.g. unit_ring_basic)
# Works in a copy of the tree under TMPDIR, one incremental build for each mutation. Prints TAP: "ok" when the test
# turned red, "not ok" when the mutation survived, did not apply, or did not compile.
set -u -o pipefail
tree=$(dirname "$(readlink -f "$0")")/../..
tree=$(readlink -f "$tree")
work=$(mktemp -d "${TMPDIR:-/tmp}/enlight-mutation.XXXXXX")
trap 'rm -rf "$work"' EXIT

copy_tree()
{
    git -C "$tree" ls-files -z | (cd "$tree" && xargs -0 cp --parents -t "$work" --) || exit 1
    meson setup -Dwerror=false "$work/build" "$work" >/dev/null || exit 1
}

# mutate FILE SED: applies it, and says whether anything changed.
mutate()
{
    cp "$work/$1" "$work/original"
    sed -i -E "$2" "$work/$1"
    ! cmp -s "$work/original" "$work/$1"
}

judge()
{
    local name=$1 program=$4 log=$work/log
    if ! mutate "$2" "$3"; then
        echo "not ok - $name: the mutation changes nothing in $2"
        return
    fi
    if ! ninja -C "$work/build" --quiet "test/$program" >"$log" 2>&1; then
        sed 's/^/# /' "$log" | tail -n 5
        echo "not ok - $name: does not compile"
    elif timeout 300 "$work/build/test/$program" >"$log" 2>&1; then
        echo "not ok - $name: $program does not notice"
    else
        echo "ok - $name: $program notices"
    fi
    mv "$work/original" "$work/$2"
}

wanted()
{
    local name
    [ ${#names[@]} -gt 0 ] || return 0
    for name in "${names[@]}"; do
        [ "$name" != "$1" ] || return 0
    done
    return 1
}

trim() { sed -E 's/^ +//; s/ +$//' <<<"$1"; }

names=("$@")
copy_tree
while IFS='|' read -r name file script program; do
    name=$(trim "$name")
    case $name in '' | '#'*) continue ;; esac
    wanted "$name" || continue
    judge "$name" "$(trim "$file")" "$(trim "$script")" "$(trim "$program")"
done < "$tree/test/mutation/list"
