#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/guest/run.sh BUILD - our own tiny guest under "enlight run", on both engines, as TAP.
#
# Called by test/check.sh. The guest (BUILD/test/guest/guest.elf) tests what an unmodified
# Linux cannot show: the same binary on both engines, with one and two processors, and with
# other lists of enlightenments. --here: where KVM is.
set -u
self=$(readlink -f "$0")
# shellcheck source=test/guest/lib.sh
. "$(dirname "$self")/lib.sh"

# guest NAME STATUS ENGINE CPUS HV CMDLINE [OPTION...]: one guest to its end, and its lines
# with NAME before them. STATUS is the exit status of enlight that is expected.
guest()
{
    name=$1
    local expected=$2 engine=$3 cpus=$4 hv=$5 cmdline=$6 status
    shift 6
    timeout -k 5 "$boot_seconds" "$build/tool/enlight" run --accel kvm --engine "$engine" --cpus "$cpus" \
        --memory 64M --hv "$hv" --kernel "$build/test/guest/guest.elf" --console stdio --log-level error \
        --cmdline "$cmdline engine=$engine" "$@" </dev/null >"$work/out" 2>"$work/err"
    status=$?
    tr -d '\r' <"$work/out" | sed -n -E "s/^(ok|not ok) - (.*)/\1 - $name: \2/p; /^(#|Bail out)/p"
    if [ $status -ne "$expected" ]; then
        tail -n 5 "$work/out" "$work/err" | sed 's/^/# /'
    fi
    verdict "$([ $status -eq "$expected" ]; echo $?)" "exit status $status, expected $expected"
    grep -q '^done: [1-9]' "$work/out"
    verdict $? "ran to its end"
}

# said TEXT: the VMM has told the user.
said()
{
    grep -q -- "$1" "$work/err"
    verdict $? "enlight says: $1"
}

all_guests()
{
    local engine cpus
    for engine in user kernel; do
        for cpus in 1 2; do
            guest "$engine:$cpus" 0 "$engine" "$cpus" linux tests=all
        done
        guest "$engine:max" 0 "$engine" 2 max tests=registers,overlay,hypercall,stimer,processors,hostile
        guest "$engine:message-timers" 0 "$engine" 1 linux,-stimer-direct tests=registers,synic,stimer
        guest "$engine:base" 0 "$engine" 1 none,base,vpindex tests=registers,overlay,hypercall
        guest "$engine:calls" 0 "$engine" 2 linux,tlbflush,ipi,ex-processor-masks \
            tests=processors
        guest "$engine:none" 0 "$engine" 1 none tests=all
        guest "$engine:reset" 32 "$engine" 2 linux "tests=lock end=reset" --no-reboot
        guest "$engine:acpi-reset" 32 "$engine" 1 linux "tests=lock end=acpi-reset" --no-reboot
        guest "$engine:reboot" 0 "$engine" 2 linux "tests=registers end=reboot"
        guest "$engine:crash" 34 "$engine" 1 linux "tests=registers end=crash"
        said 'P0 0xc0ffee, P1 0x1001, P2 0x2002, P3 0x3003, P4 0x4004'
        guest "$engine:crash-text" 34 "$engine" 1 linux "tests=registers end=crash-text"
        said 'panic: tiny guest: second line$'
        ! grep -q 'not this' "$work/err"
        verdict $? "the text ends where its length says"
        guest "$engine:triple-fault" 34 "$engine" 1 linux "tests=lock end=triple-fault"
        said 'triple fault'
    done
}

if [ "${1:-}" = --here ]; then
    build=$2
    work=$(mktemp -d "${TMPDIR:-/tmp}/enlight-guest.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    all_guests | summary
elif [ $# -eq 1 ] && [ -d "$1" ]; then
    where_kvm_is "$self" "$(readlink -f "$1")"
else
    echo "usage: test/guest/run.sh BUILD" >&2
    exit 64
fi
