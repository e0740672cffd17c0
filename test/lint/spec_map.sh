#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/lint/spec_map.sh - print what doc/spec-map.md names and the tree does not have; nothing when all is there.
#
# Called by test/lint/run.sh. A row has an id of its own, at least one place, and a proof or the word "none".
# Places are files, with the function behind a colon; proofs are test cases (doc/spec-map.md says which kinds).
set -u -o pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
map=doc/spec-map.md

# Names that are defined in a file of test/unit and used there once more: a case that main() runs.
unit_cases()
{
    local file
    for file in test/unit/*.c; do
        comm -12 <(grep -oE '^[a-z0-9_]+\(' "$file" | tr -d '(' | sort -u) \
            <(grep -oE '[a-z0-9_]+' "$file" | sort | uniq -d)
    done | sed 's/^/unit:/'
}

# table_cases FOLDER: the first strings of the lines of its tables.
table_cases()
{
    cat "test/$1"/*.c | grep -oE '^ +\{"[a-z0-9_]+"' | sed -E "s/ *\\{\"(.*)\"/$1:\\1/"
}

os_rows()
{
    cat test/os/guest/*.sh test/os/guest/sweep-init test/os/scenarios.sh test/os/control.sh |
        grep -oE '\b(row|sweep) [A-Z]+[0-9]+|"[A-Z]+[0-9]+ ' | sed -E 's/.*[ "]([A-Z]+[0-9]+) ?/os:\1/'
}

fuzz_targets()
{
    printf '%s\n' test/fuzz/*.c | sed 's|.*/\(.*\)\.c|fuzz:\1|'
}

# A name behind the colon is a word of the file.
check_place()
{
    local file=${1%%:*} name=''
    case $1 in *:*) name=${1#*:} ;; esac
    if [ ! -f "$file" ]; then
        echo "$2: there is no file $file"
    elif [ -n "$name" ] && ! grep -q -w -e "$name" "$file"; then
        echo "$2: $file has no $name"
    fi
}

check_proof()
{
    case $1 in
    file:*) [ -f "${1#file:}" ] || echo "$2: there is no file ${1#file:}" ;;
    *:*) [ -n "${known[$1]-}" ] || echo "$2: there is no $1" ;;
    esac
}

# The words in backquotes of $1, a line each; commands among them are not places.
# shellcheck disable=SC2016 # backquotes as they are
quoted()
{
    grep -oE '`[^` ]+`' <<<"$1" | tr -d '\140'
}

check_row()
{
    local id=$1 where=$2 proof=$3 word
    [ -z "${rows[$id]-}" ] || echo "$id: there are two rows"
    rows[$id]=1
    [ -n "$(quoted "$where")" ] || echo "$id: no place"
    case $proof in
    none:\ ?* | \`*) ;;
    *) echo "$id: neither a proof nor a reason" ;;
    esac
    for word in $(quoted "$where"); do
        check_place "$word" "$id"
    done
    for word in $(quoted "$proof"); do
        check_proof "$word" "$id"
    done
}

declare -A known=() rows=()
while read -r word; do
    known[$word]=1
done < <(unit_cases; table_cases loop; table_cases guest; os_rows; fuzz_targets)
while IFS='|' read -r _ id _ where proof _; do
    check_row "${id// /}" "${where# }" "${proof# }"
done < <(grep -E '^\| [A-Z]+[0-9]+ \|' "$map")
[ ${#rows[@]} -gt 200 ] || echo "$map has only ${#rows[@]} rows"
