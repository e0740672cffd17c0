#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/run.sh [--all] [--only SCENARIO]... ENLIGHT - unmodified kernels as guests, on both engines, as TAP.
#
# Called by test/check.sh. Makes kernels, initramfs and root images in a work folder (from the cache), and runs
# test/os/scenarios.sh: directly where the CPU has virtualization, else in nested machines, two at a time, each
# with one CPU (the emulated SVM does not stand kicks between CPUs, doc/nested.md). test/os/journal.sh and check.sh
# start their machines as a user would. An L1 that dies is started again once for the scenarios it had not finished;
# the count of such retries is printed.
set -u -o pipefail
here=$(dirname "$(readlink -f "$0")")
tree=$(readlink -f "$here/../..")
all='' enlight='' only=()
while [ $# -gt 0 ]; do
    case $1 in
    --all) all=1 ;;
    --only) only+=("$2") && shift ;;
    *) enlight=$(readlink -f "$1") ;;
    esac
    shift
done

# Six boots cover each pair of {kernel, engine, one CPU or several}, four on each engine; one of them is under sanitizers.
# 16 boots in all. Two lists of about the same length, and what starts its own nested machine.
first=(sanitizer:6.1:user report:6.1-cloud:user:4 report:6.12:kernel:2 kexec:6.1:user
    crash:6.1:kernel sweep:6.1:user net:6.1:user command-line)
# shellcheck disable=SC2054 # the commas belong to the words
second=(report:6.1:kernel:4 report:6.1-cloud:kernel:1 report:6.12:user:1 kexec:6.1:kernel
    kdump:6.1:user:2 disks:6.1:kernel report:6.1:user:1:linux,tsc-invariant,-stimer-direct,version-id-build=17763)
outside=(journal:6.1:user check:6.1 nested-control:6.1)

# The full product, and what takes longest; the first list lasts about as long as the other two together.
full_product()
{
    local kernel engine cpus
    first=() second=(command-line) outside=(journal:6.1:user journal:6.12:kernel nested-control:6.1
        nested-forward:6.1 check:6.1:faults check:6.1:matrix)
    for kernel in 6.1 6.1-cloud 6.12; do
        for cpus in 1 2 4; do
            first+=("report:$kernel:user:$cpus")
            second+=("report:$kernel:kernel:$cpus")
        done
        for engine in user kernel; do
            first+=("kexec:$kernel:$engine" "kdump:$kernel:$engine:2")
            second+=("crash:$kernel:$engine" "sweep:$kernel:$engine")
        done
        outside+=("check:$kernel")
    done
    first+=(control:6.1:user:2:10 control:6.1:kernel:2:10)
    for engine in user kernel; do
        first+=("disks:6.1:$engine" "net:6.1:$engine" "services:6.1:$engine" "kill:6.1:$engine"
            "report:6.1:$engine:1:linux,tsc-invariant,-stimer-direct")
        second+=("report:6.1:$engine:1:linux,-stimer,-stimer-direct" "sanitizer:6.12:$engine")
    done
}

# Prints the kernels that the scenarios of the arguments boot.
kernels_of()
{
    printf '%s\n' "$@" | awk -F: 'NF > 1 { print $2 }' | sort -u
}

# The files of one kernel, in $work/KERNEL.
prepare_kernel()
{
    local kernel=$1 dir=$work/$1 source script scripts=()
    mkdir -p "$dir"
    source=$("$tree/image/kernel.sh" "$kernel") || exit 1
    for script in "$here"/guest/*.sh "$work/vdso"; do
        scripts+=(--script "$script")
    done
    # The ELF within the bzImage: unpacking it anew for each boot is slow under emulation.
    cp "$source/vmlinux" "$dir/vmlinuz" 2>/dev/null || cp "$source/vmlinuz" "$dir/vmlinuz"
    cp "$source/vmlinuz" "$dir/bzImage"
    "$tree/image/initrd.sh" "$source" "${scripts[@]}" "$dir/initrd" || exit 1
    "$tree/image/initrd.sh" "$source" --modules hv_utils --init "$here/guest/sweep-init" "$dir/sweep" || exit 1
    "$tree/image/rootfs.sh" "$kernel" "$dir/root.raw" || exit 1
}

# run_list NAME SCENARIO... : in a nested machine, or here.
run_list()
{
    local name=$1 kernel files=() disks=() roots='' letters=abcdefgh longer=0
    shift
    [ $# -gt 0 ] || return 0
    if grep -q -w -E 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
        "$here/scenarios.sh" "$enlight" "$work" "$@"
        return
    fi
    for kernel in $(kernels_of "$@"); do
        files+=(--file "$work/$kernel/vmlinuz" --file "$work/$kernel/initrd")
        roots="$roots$kernel=/dev/vd${letters:$((${#disks[@]} / 2)):1} "
        disks+=(--disk "$work/$kernel/root.raw,ro")
        case "$*" in *kexec:$kernel:* | *kdump:$kernel:*) files+=(--file "$work/$kernel/bzImage") ;; esac
        case "$*" in *sweep:$kernel:*) files+=(--file "$work/$kernel/sweep") ;; esac
    done
    case "$*" in *control:* | *services:*) longer=1500 ;; esac
    case "$*" in *sanitizer*) files+=(--file "$work/enlight-sanitizer") ;; esac
    "$tree/nested/run.sh" --cpus 1 --memory 4096 --timeout $((180 + 240 * $# + longer)) --log "$work/$name.kernel" \
        --share "$tree" --share "$(dirname "$enlight")" --env "roots=$roots" "${files[@]}" "${disks[@]}" -- \
        "$here/scenarios.sh" "$enlight" "$work" "$@"
}

# The scenarios of the arguments that $1 (an output) shows no end of.
unfinished()
{
    local out=$1 scenario last
    shift
    last=$(grep '^# [a-z-]*\(:[^ ]*\)* ([0-9]* s)$' "$out" | tail -n 1 | cut -d' ' -f2)
    for scenario in "$@"; do
        [ "$scenario" != "$last" ] || last=''
        [ -n "$last" ] || echo "$scenario"
    done
}

# One list, with one more try for what a dead L1 left undone.
run_with_retry()
{
    local name=$1 out=$work/$1.out status rest
    shift
    run_list "$name" "$@" >"$out" 2>"$out.err"
    status=$?
    if [ $status -eq 125 ] || [ $status -eq 124 ]; then
        mapfile -t rest < <(unfinished "$out" "$@")
        echo "# the nested machine ended with status $status; trying again: ${rest[*]}" | tee -a "$out"
        run_list "$name" "${rest[@]}" >>"$out" 2>>"$out.err"
        status=$?
    fi
    cat "$out"
    [ $status -eq 0 ] || { tail -n 5 "$out.err" | sed 's/^/# /'; echo "not ok - $name: status $status"; }
}

# What is started outside of the nested machine.
run_outside()
{
    local IFS=: scenario words
    for scenario in ${outside[@]+"${outside[@]}"}; do
        read -r -a words <<<"$scenario"
        echo "# $scenario ($SECONDS s)"
        rm -rf "$work/journal"
        case ${words[0]} in
        journal) "$here/journal.sh" "$enlight" "$work" "${words[1]}" "${words[2]}" "$all" ;;
        nested-forward) "$here/nested_forward.sh" "$enlight" "$work" ;;
        nested-control) "$here/nested_control.sh" "$enlight" "$work" ;;
        check) "$here/check.sh" "$enlight" "$work" "${words[1]}" "${words[2]:-}" ;;
        esac
    done
}

sanitizer_build()
{
    local dir=$work/sanitizer
    meson setup -Db_sanitize=address,undefined -Db_lundef=false "$dir" "$tree" >/dev/null &&
        ninja -C "$dir" --quiet tool/enlight && cp "$dir/tool/enlight" "$work/enlight-sanitizer"
}

work=$(mktemp -d "${TMPDIR:-/tmp}/enlight-os.XXXXXX")
trap 'rm -rf "$work"' EXIT
[ -z "$all" ] || full_product
if [ ${#only[@]} -gt 0 ]; then
    first=() second=() outside=()
    for scenario in "${only[@]}"; do
        case $scenario in journal:* | nested-* | check:*) outside+=("$scenario") ;; *) first+=("$scenario") ;; esac
    done
fi
gcc -O2 -static -o "$work/vdso" "$here/guest/vdso.c" || exit 1
for kernel in $(kernels_of "${first[@]}" "${second[@]}" "${outside[@]}"); do
    prepare_kernel "$kernel"
done
case "${first[*]} ${second[*]}" in *sanitizer*) sanitizer_build || exit 1 ;; esac
run_with_retry first "${first[@]}" >"$work/first.tap" &
run_with_retry second "${second[@]}" >"$work/second.tap"
run_outside >"$work/outside.tap"
wait
cat "$work/first.tap" "$work/second.tap" "$work/outside.tap"
