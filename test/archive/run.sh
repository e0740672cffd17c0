#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/archive/run.sh BUILD - libenlight-guest as a stranger's kernel builds it, as TAP.
#
# Each compiler for each processor, with the compiler's own headers and a string.h of four functions, every warning
# an error and no stack frame over 512 bytes: it compiles, it needs nothing but these four functions, and each part of
# it keeps to a budget. What is other with 32 bits also runs, in a process without a libc. Objects stay in
# BUILD/archive, and are made again when a source or a header is newer.
set -u -o pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
out=${1:-build}/archive

flags='-std=gnu11 -O2 -ffreestanding -fno-stack-protector -fno-common -fno-strict-aliasing -mgeneral-regs-only
    -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-missing-field-initializers
    -Wframe-larger-than=512 -Werror -nostdinc -isystem test/archive/include -Iinclude -I.'

# name | compiler | processor's folder | flags of its own
variants='
gcc_x86_64   | gcc                   | x86_64 | -mno-red-zone
clang_x86_64 | clang                 | x86_64 | -mno-red-zone
gcc_arm64    | aarch64-linux-gnu-gcc | arm64  | -mno-outline-atomics
clang_arm64  | clang                 | arm64  | --target=aarch64-linux-gnu -mno-outline-atomics
gcc_x86_32   | gcc                   | x86_64 | -m32 -fno-pic
clang_x86_32 | clang                 | x86_64 | -m32 -fno-pic
'

# budget PART: its bytes of code and constants at most, whatever the compiler. A kernel links what it uses: the core
# alone, the bus with it, and a driver for each device.
budget()
{
    case $1 in
    common) echo 8000 ;;
    core) echo 12500 ;; # with the processor's folder
    vmbus) echo 18000 ;;
    *) echo 14000 ;; # a driver
    esac
}

# verdict NAME OUTPUT [REMARK]: passes when OUTPUT is empty.
verdict()
{
    if [ -z "$2" ]; then
        echo "ok - $1${3:+ # $3}"
    else
        printf '%s\n' "$2" | head -n 20 | sed 's/^/# /'
        echo "not ok - $1${3:+ # $3}"
    fi
}

own_headers()
{
    case $1 in
    clang) echo "$(clang -print-resource-dir)/include" ;;
    *) "$1" -print-file-name=include ;;
    esac
}

# stale DIR: those of the sources on standard input whose object there is older than they or any header are.
stale()
{
    local newest source
    newest=$(git ls-files 'include/*.h' 'common/*.h' 'guest/*.h' test/archive | xargs ls -t | head -n 1)
    while read -r source; do
        [ "$1/$source.o" -nt "$source" ] && [ "$1/$source.o" -nt "$newest" ] || echo "$source"
    done
}

# compile DIR COMMAND...: the sources on standard input. Prints what the compiler says.
compile()
{
    local dir=$1
    shift
    stale "$dir" | xargs -r -P "$(nproc)" -I{} "$@" -c {} -o "$dir/{}.o" 2>&1
}

# needs ARCHIVE: what it calls that it does not define, beyond the four functions.
needs()
{
    nm -u "$1" | awk 'NF == 2 { print $2 }' | sort -u |
        comm -23 - <(nm -g --defined-only "$1" | awk 'NF == 3 { print $3 }' | sort -u) |
        grep -v -x -E 'mem(cpy|move|set|cmp)'
}

# weigh OBJECT...: the parts and their bytes, a line each.
weigh()
{
    size -A "$@" | awk '
        / :$/ {
            n = split($1, folder, "/")
            part = "core"
            for (i = 1; i < n; i++) {
                if (folder[i] == "common" || folder[i] == "vmbus") part = folder[i]
                if (folder[i] == "dev") { part = folder[i + 1]; sub(/\.c\.o$/, "", part) }
            }
        }
        /^\.(text|rodata)/ { sum[part] += $2 }
        END { for (part in sum) print part, sum[part] }' | sort
}

# check NAME COMPILER FOLDER FLAGS
check()
{
    local dir=$out/$1 archive=$out/libenlight-guest-$1.a sources objects said parts
    mapfile -t sources < <(git ls-files common guest/core guest/vmbus guest/dev "guest/$3" | grep '\.c$')
    objects=("${sources[@]/#/$dir/}")
    printf '%s\n' "${objects[@]%/*}" | sort -u | xargs mkdir -p
    # shellcheck disable=SC2086 # flags are words
    said=$(printf '%s\n' "${sources[@]}" | compile "$dir" "$2" $flags $4 -isystem "$(own_headers "$2")")
    verdict "archive_$1_compiles" "$said"
    [ -z "$said" ] || return
    rm -f "$archive"
    ar rcs "$archive" "${objects[@]/%/.o}"
    verdict "archive_$1_needs_only_mem_functions" "$(needs "$archive")"
    parts=$(weigh "${objects[@]/%/.o}")
    said=$(while read -r part bytes; do
        [ "$bytes" -le "$(budget "$part")" ] || echo "$part has $bytes bytes; the budget is $(budget "$part")"
    done <<<"$parts")
    verdict "archive_$1_keeps_its_budget" "$said" \
        "$(awk '{ printf "%s %s, ", $1, $2; sum += $2 } END { print "all " sum " bytes" }' <<<"$parts")"
}

# A process of 32 bits, which any x86-64 kernel runs unless it was built without.
run_32()
{
    local exe=$out/x86_32
    # shellcheck disable=SC2086 # flags are words
    gcc $flags -m32 -fno-pic -no-pie -static -nostdlib -isystem "$(own_headers gcc)" -o "$exe" test/archive/x86_32.c \
        "$out/libenlight-guest-gcc_x86_32.a" 2>&1 | sed 's/^/# /'
    "$exe"
    case $? in
    0 | 1) ;;
    126) echo "ok - x86_32 # SKIP this kernel runs no 32-bit programs" ;;
    *) echo "not ok - x86_32 died" ;;
    esac
}

mkdir -p "$out"
while IFS='|' read -r name compiler folder own; do
    [ -n "$name" ] || continue
    read -r name compiler folder <<<"$name $compiler $folder"
    if command -v "$compiler" >/dev/null; then
        check "$name" "$compiler" "$folder" "$own"
    else
        echo "ok - archive_$name # SKIP $compiler is not installed"
    fi
done <<<"$variants"
run_32
