#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# nested/selftest.sh [KERNEL]... - prove that the nested machine and the guests' kernels work.
#
# Run by hand and by the checks, on any x86-64 machine. Each promise is one "ok" or "not ok"
# line: L1 has /dev/kvm, passes a command's status, output and signals, ends at its time-out, and
# Debian's qemu in it boots each KERNEL (6.1 unless told) as a Hyper-V guest, from its
# initramfs, to a command and to power-off. With VERBOSE=1 it shows what it saw. Exit status: 0
# if nothing failed. Trusts the cache.
# shellcheck disable=SC2016 # the scripts in quotes are for L1 and the guest

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=image/lib.sh
. "$here/../image/lib.sh"

passed=0 failed=0
cpu=host,kvm=off,hv-relaxed,hv-vpindex,hv-time,hv-synic,hv-stimer,hv-frequencies,hv-reset

promise()
{
    local name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        passed=$((passed + 1))
        echo "ok $name"
        [ -z "${VERBOSE-}" ] || sed 's/^/# /' "$work/output"
    else
        failed=$((failed + 1))
        echo "not ok $name"
        sed 's/^/# /' "$work/output"
    fi
}

l1_has_kvm()
{
    "$here/run.sh" --timeout 60 -- sh -c 'ls -la /dev/kvm && cat /proc/uptime' &&
        grep -q '^crw.*/dev/kvm' "$work/output"
}

status_and_words_pass()
{
    local status=0
    "$here/run.sh" --timeout 60 --env "A=two  words's" --file "$0:/tmp/a/b" -- \
        sh -c 'test -s /tmp/a/b; echo "$A|$1|$?"; exit 9' - '$x "y"' || status=$?
    [ $status = 9 ] && grep -qFx "two  words's|\$x \"y\"|0" "$work/output"
}

signal_reaches_the_command()
{
    local status=0 pid
    "$here/run.sh" --timeout 60 -- \
        sh -c 'trap "echo heard; exit 7" TERM; echo ready; while :; do sleep 0.1; done' >"$work/heard" &
    pid=$!
    until grep -q ready "$work/heard" || ! kill -0 $pid; do sleep 0.2; done
    kill -TERM $pid
    wait $pid || status=$?
    [ $status = 7 ] && grep -q heard "$work/heard"
}

time_out_ends_it()
{
    local status=0
    "$here/run.sh" --timeout 8 -- sleep 1000 || status=$?
    [ $status = 124 ]
}

dead_l1_is_told()
{
    local status=0
    "$here/run.sh" --timeout 60 -- sh -c 'echo c >/proc/sysrq-trigger' || status=$?
    [ $status = 125 ] && grep -q 'without giving a status' "$work/output"
}

disk_is_written()
{
    truncate -s 1M "$work/disk"
    "$here/run.sh" --timeout 60 --disk "$work/disk" -- sh -c 'echo hello >/dev/vda && sync' &&
        grep -qa '^hello' "$work/disk"
}

# The kernel named $1 runs the script "hello" of its initramfs under qemu in L1, and powers off.
guest_boots()
{
    local kernel
    kernel=$("$here/../image/kernel.sh" "$1")
    printf '%s\n' '#!/bin/sh' 'dmesg | grep -iE "hyper-v|vmbus"' \
        'echo "hello from $(uname -r) after $(cat /proc/uptime)"' >"$work/hello"
    "$here/../image/initrd.sh" "$kernel" --script "$work/hello" "$work/initrd"
    "$here/run.sh" --timeout 120 --share "$work" --share "$kernel" -- \
        qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -M q35 -accel kvm \
        -cpu "$cpu" -m 256 \
        -kernel "$kernel/vmlinux" -initrd "$work/initrd" -serial stdio \
        -device vmbus-bridge -append "console=ttyS0 quiet panic=-1 enlight.script=hello" &&
        grep -q "Hypervisor detected: Microsoft Hyper-V" "$work/output" &&
        grep -q "hello from $(cat "$kernel/version")" "$work/output"
}

main()
{
    local kernel
    [ $# -gt 0 ] || set -- 6.1
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    promise l1_has_kvm l1_has_kvm
    promise status_and_words_pass status_and_words_pass
    promise disk_is_written disk_is_written
    promise signal_reaches_the_command signal_reaches_the_command
    promise time_out_ends_it time_out_ends_it
    promise dead_l1_is_told dead_l1_is_told
    for kernel in "$@"; do
        promise "guest_boots $kernel" guest_boots "$kernel"
    done
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
}

main "$@"
