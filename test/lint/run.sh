#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/lint/run.sh BUILD - the rules of the house that a machine can check, as TAP.
#
# Headers compile alone as C11 and C++17; each folder includes only what doc/map.md allows it; the guest
# archive needs nothing but the four mem functions; files and functions keep their sizes; shell scripts pass
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
        for compiler in "gcc -std=c11" "clang -std=c11" "g++ -std=c++17"; do
            command -v "${compiler%% *}" >/dev/null || continue
            case $compiler in g++*) language=c++ ;; *) language=c ;; esac
            $compiler -Wall -Wextra -Werror -Iinclude -I. -fsyntax-only -x $language "$header" 2>&1
        done
    done < <(git ls-files 'include/*.h')
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
law_common() { includes_law 'common/*' "$std|\"enlight/(abi/|error)|\"common/"; }
law_host() { includes_law 'host/*' "$std|\"enlight/(abi/|host/|error)|\"common/|\"host/"; }
law_guest() { includes_law 'guest/*' "$std|\"enlight/(abi/|guest/|error)|\"common/|\"guest/"; }
law_kvm() { includes_law 'kvm/*' '<|"enlight/|"kvm/'; }
law_backend() { includes_law 'backend/*' '<|"enlight/|"backend/'; }
law_vmm() { includes_law 'vmm/*' '<|"enlight/|"vmm/|"backend/|"dsdt'; }

guest_needs()
{
    nm -u "$build/libenlight-guest.a" 2>&1 | awk 'NF == 2 { print $2 }' | sort -u |
        while read -r symbol; do
            case $symbol in
            memcpy | memmove | memset | memcmp) ;;
            *) nm -g --defined-only "$build/libenlight-guest.a" 2>/dev/null | grep -q " $symbol\$" || echo "$symbol" ;;
            esac
        done
}

host_needs()
{
    nm -u "$build/libenlight-host.a" 2>&1 | awk 'NF == 2 { print $2 }' | sort -u |
        grep -E '^(abort|__assert_fail|printf|malloc|free|exit|pthread_.*|open|read|write|time|clock_gettime)$'
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
    git ls-files '*.c' | while read -r file; do
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
for law in abi common host guest kvm backend vmm; do
    verdict "${law}_includes_what_its_room_may" "$(law_$law)"
done
verdict guest_archive_needs_only_mem_functions "$(guest_needs)"
verdict host_archive_calls_no_operating_system "$(host_needs)"
verdict files_keep_their_size "$(long_files)"
verdict functions_keep_their_size "$(long_functions)"
if command -v shellcheck >/dev/null; then
    verdict scripts_pass_shellcheck "$(scripts)"
else
    echo "ok - scripts_pass_shellcheck # SKIP shellcheck is not installed"
fi
