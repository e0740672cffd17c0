#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/lint/run.sh BUILD - the rules of the house that a machine can check, as TAP.
#
# Headers compile alone as C11 and C++17, and hide what is opaque; each folder includes only what doc/map.md
# allows it, and a function lives in the file that its name says (test/lint/rooms has the exceptions); the two
# libraries need nothing but the four mem functions; files and functions keep their sizes; the sources are as
# clang-format leaves them and hold no notes to their author; the tests that a file names exist; shell scripts pass
# the shell checker. Reads the tree and BUILD, changes nothing.
set -u -o pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
build=${1:-build}

# verdict NAME OUTPUT: passes when OUTPUT is empty.
verdict()
{
    if [ -z "$2" ]; then
        echo "ok - $1"
    else
        printf '%s\n' "$2" | head -n 20 | sed 's/^/# /'
        echo "not ok - $1"
    fi
}

headers_alone()
{
    local header compiler
    while read -r header; do
        for compiler in "gcc -x c -std=c11" "clang -x c -std=c11" "clang -x c++ -std=c++17"; do
            command -v "${compiler%% *}" >/dev/null || continue
            # shellcheck disable=SC2086 # a command with its arguments
            $compiler -Wall -Wextra -Werror -Iinclude -I. -fsyntax-only "$header" 2>&1
        done
    done < <(git ls-files 'include/*.h')
}

# What a create or open function hands out has no members in a public header; what the caller stores for us has
# one, named opaque.
headers_hide()
{
    local name
    git ls-files 'include/*.h' | xargs grep -h -o -E '(const )?struct enl[a-z]_[a-z_0-9]+ \*\*' |
        awk '$1 != "const" { print $2 }' | sort -u |
        while read -r name; do
            git ls-files 'include/*.h' | xargs grep -n -E "^struct $name \{" /dev/null
        done
    git ls-files 'include/*.h' | while read -r header; do
        awk -v file="$header" '
            /^struct .* \{/ { name = $2; members = opaque = 0; inside = 1; next }
            /^\}/ { if (inside && opaque && members > 1) print file ": struct " name " shows members"; inside = 0 }
            inside && /;/ { members++ }
            inside && /^ +uint64_t opaque\[/ { opaque = 1 }' "$header"
    done
}

# includes_law FOLDERS PATTERN: prints each include in these folders that does not match.
includes_law()
{
    git ls-files "$1" | grep -E '\.[ch]$' | while read -r file; do
        grep -H -n -E '^#include' "$file" | grep -v -E "#include ($2)"
    done
}

std='<(stdbool|stddef|stdint|string)\.h>'
law_abi() { includes_law 'include/enlight/abi/*' '<std(def|int)\.h>|"enlight/abi/'; }
law_common() { includes_law 'common/*' "$std|<stdatomic\.h>|\"enlight/(abi/|error)|\"common/"; }
law_host() { includes_law 'host/*' "$std|<std(arg|atomic)\.h>|\"enlight/(abi/|host/|error)|\"common/|\"host/"; }
law_guest() { includes_law 'guest/*' "$std|\"enlight/(abi/|guest/|error)|\"common/|\"guest/"; }
law_kvm() { includes_law 'kvm/*' '<|"enlight/|"kvm/'; }
law_backend() { includes_law 'backend/*' '<|"enlight/|"backend/'; }
law_vmm() { includes_law 'vmm/*' '<|"enlight/|"vmm/|"backend/|"dsdt'; }
law_example() { includes_law 'example/*' '<|"[a-z]*\.h(ex)?"|"kernel/'; }
law_tool() { includes_law 'tool/*' '<|"enlight/|"vmm/|"backend/|"tool/'; }

# needs ARCHIVE: what it calls that it does not define, beyond the four functions that any compiler may assume.
needs()
{
    local defined
    [ -f "$1" ] || echo "there is no $1"
    defined=$(nm -g --defined-only "$1" | awk 'NF == 3 { print $3 }' | sort -u)
    nm -u "$1" | awk 'NF == 2 { print $2 }' | sort -u | comm -23 - <(echo "$defined") |
        grep -v -x -E 'mem(cpy|move|set|cmp)|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan)_.*'
}

# names_law WING PREFIX: prints each function of the folder WING whose name does not start with PREFIX and the stem
# of its file, or of its folder (dev/storage, boot), or what test/lint/rooms allows this file.
names_law()
{
    git ls-files "$1/*.c" | while read -r file; do
        # The type of a definition has a line of its own, and says whether the function is the file's alone.
        awk -v file="$file" -v prefix="$2" '
            FNR == NR { if ($1 == file) for (i = 2; i <= NF; i++) rooms[$i]; next }
            FNR == 1 { n = split(file, part, "/"); stem = part[n]; sub(/\.c$/, "", stem); rooms[stem]; rooms[part[n - 1]] }
            /^[a-z][a-z_0-9]*\(/ && type !~ /^static|^#|;$/ && type != "" {
                name = $0; sub(/\(.*/, "", name); good = 0
                for (room in rooms) if (index(name "_", prefix room "_") == 1) good = 1
                if (!good) print file ": " name
            }
            { type = $0 }' test/lint/rooms "$file"
    done
}

names()
{
    names_law common enl_
    names_law host enlh_
    names_law guest enlg_
    names_law kvm enlk_
    names_law vmm enlm_
    names_law backend enlb_
}

notes()
{
    git grep -n -w -I -E 'TODO|FIXME|XXX' -- ':!test/lint/run.sh'
    git grep -n -I -E '^(<{7}|>{7}) ' # what a merge left behind
}

formatted()
{
    git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror 2>&1 | grep ': error:'
}

# A path below test/ that a file names is there, a pattern names at least one.
tests_named()
{
    git grep -I -o -h -E 'test/[a-z_0-9/]+[a-z_0-9*]*\.(c|sh)' -- '*.[ch]' '*.sh' '*.md' | sort -u |
        while read -r pattern; do
            compgen -G "$pattern" >/dev/null || git grep -n -I -F -- "$pattern"
        done
}

# with TOOL NAME OUTPUT-FUNCTION: a verdict, or a skip where the tool is missing.
with()
{
    if command -v "$1" >/dev/null; then
        verdict "$2" "$("$3")"
    else
        echo "ok - $2 # SKIP $1 is not installed"
    fi
}

long_files()
{
    git ls-files '*.c' '*.h' | while read -r file; do
        lines=$(wc -l < "$file")
        limit=900
        case $file in include/*) limit=350 ;; esac
        [ "$lines" -le $limit ] || echo "$file has $lines lines; the limit is $limit"
    done
}

# A function starts with a brace in the first column and ends with one.
long_functions()
{
    git ls-files '*.c' '*.h' | while read -r file; do
        awk -v file="$file" '
            /^[a-z_]+\(/ || /^[a-z_0-9]+\(.*$/ { name = $0 }
            /^\{/ { start = NR }
            /^\}/ && start { if (NR - start > 81) print file ": " name " has " NR - start - 1 " lines"; start = 0 }' "$file"
    done
}

scripts()
{
    git ls-files '*.sh' nested/init image/initrd-init | xargs shellcheck -x 2>&1
}

verdict headers_compile_alone "$(headers_alone)"
verdict headers_hide_what_is_opaque "$(headers_hide)"
for law in abi common host guest kvm backend vmm tool example; do
    verdict "${law}_includes_what_its_room_may" "$(law_$law)"
done
verdict functions_live_where_their_names_say "$(names)"
verdict guest_archive_needs_only_mem_functions "$(needs "$build/libenlight-guest.a")"
verdict host_archive_needs_only_mem_functions "$(needs "$build/libenlight-host.a")"
verdict files_keep_their_size "$(long_files)"
verdict functions_keep_their_size "$(long_functions)"
verdict sources_hold_no_notes "$(notes)"
verdict tests_that_are_named_exist "$(tests_named)"
verdict spec_map_names_what_is_there "$(test/lint/spec_map.sh 2>&1)"
with clang-format sources_keep_their_format formatted
with shellcheck scripts_pass_shellcheck scripts
