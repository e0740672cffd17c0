#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/guest/unikernel.sh BUILD - example/unikernel under "enlight run" and under QEMU, as TAP.
#
# Called by test/check.sh. The unikernel reports row by row what it did with the guest library; here that report is
# read: which rows must be there, which may be skipped, how the guest ended. Enlight on both engines with one and two
# processors; QEMU on the same KVM is a host that is not ours. --here: where KVM is.
set -u
self=$(readlink -f "$0")
# shellcheck source=test/guest/lib.sh
. "$(dirname "$self")/lib.sh"

everywhere='U01 U02 P10 U03 T01 T09 U07 V33 X01'
services='DI02 U12 DI04 DI03'
disk='DS01 U10 V28'
network='U11'
port=$((20000 + $$ % 20000))
nic="user,hostfwd=tcp:127.0.0.1:$port-:80,hostfwd=tcp:127.0.0.1:$((port + 1))-:7"

# start NAME COMMAND...: the guest in the background; its lines go to $work/out.
start()
{
    name=$1
    shift
    # --foreground: a signal that the guest is sent comes once.
    timeout --foreground -k 20 "$boot_seconds" "$@" </dev/null >"$work/out" 2>"$work/err" &
    guest=$!
}

# Prints the guest's report with its name, and looks at its end.
finish()
{
    local expected=$1 status
    wait "$guest"
    status=$?
    tr -d '\r' <"$work/out" >"$work/report"
    sed -n -E "s/^(ok|not ok) - (.*)/\1 - $name: \2/p; /^#/p" "$work/report"
    [ $status -eq "$expected" ] || tail -n 5 "$work/report" "$work/err" | sed 's/^/# /'
    verdict "$([ $status -eq "$expected" ]; echo $?)" "exit status $status, expected $expected"
}

# ran ROW...: each is in the report, and was not skipped.
ran()
{
    local row missing=''
    for row in "$@"; do
        grep -v '# SKIP' "$work/report" | grep -q "^ok - $row " || missing="$missing $row"
    done
    verdict "$([ -z "$missing" ]; echo $?)" "every row ran${missing:+, but for$missing}"
}

# absent ROW...: each was skipped, for this host does not offer what it needs.
absent()
{
    local row wrong=''
    for row in "$@"; do
        grep -q -E "^ok - $row .*# SKIP the (host|controller) (does not offer it|offers no|has no)" "$work/report" || wrong="$wrong $row"
    done
    verdict "$([ -z "$wrong" ]; echo $?)" "what is not offered is not used${wrong:+, but for$wrong}"
}

# said FILE TEXT
said()
{
    grep -q -- "$2" "$work/$1"
    verdict $? "$1 has: $2"
}

complete()
{
    said report '^[1-9][0-9]* passed, 0 failed, '
}

# enlight ENGINE CPUS CMDLINE [OPTION...]: the words of a command.
enlight()
{
    local engine=$1 cpus=$2 cmdline=$3
    shift 3
    command=("$build/tool/enlight" run --accel kvm --engine "$engine" --cpus "$cpus" --memory 64M --console stdio
        --log-level error --kernel "$image" --cmdline "$cmdline" "$@")
    case $cmdline in *disk=*)
        rm -f "$work/disk" && truncate -s 16M "$work/disk"
        command+=(--disk "path=$work/disk,format=raw") ;;
    esac
}

# Until the guest has nothing left to do, or is gone.
await_the_wait()
{
    local i
    for ((i = 0; i < boot_seconds * 10; i++)); do
        grep -q "waiting for the host's word" "$work/out" && break
        kill -0 "$guest" 2>/dev/null || break
        sleep 0.1
    done
}

# echoes PORT: what is sent comes back, and 100 KiB are more than any window.
echoes()
{
    head -c 102400 /dev/urandom >"$work/sent"
    # shellcheck disable=SC2016 # for the inner shell
    timeout 20 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"; head -c 102400 <&3 >"$2/back" & cat "$2/sent" >&3; wait' \
        echoes "$1" "$work"
    cmp -s "$work/sent" "$work/back"
    verdict $? "100 KiB come back from port 7"
}

# fetch [PATH]: a page of the guest, to $work/page.
fetch()
{
    curl -s -S -i --max-time 20 "http://127.0.0.1:$port/${1:-}" >"$work/page" 2>"$work/err.page"
}

# Connections are spread over the processors: each must have had one.
all_answer()
{
    local cpu i
    for ((cpu = 0; cpu < $1; cpu++)); do
        for ((i = 0; i < 30; i++)); do
            fetch && grep -q "by number $cpu\$" "$work/page" && break
        done
        verdict "$([ $i -lt 30 ]; echo $?)" "processor $cpu has answered"
    done
}

# reach CPUS: the guest over the network, as anybody would.
reach()
{
    fetch
    verdict $? "the page comes: $(head -n 1 "$work/page" | tr -d '\r')$(cat "$work/err.page")"
    said page '^A kernel on libenlight-guest'
    said page "^processors: $1, "
    said page '^nic: protocol 6\.1, link up'
    said page '^disk: [1-9][0-9]* requests done, 0 errors'
    fetch elsewhere
    said page '404 Not Found'
    all_answer "$1"
    echoes $((port + 1))
}

under_enlight()
{
    local engine=$1 cpus moved=''
    for cpus in 1 2; do
        enlight "$engine" "$cpus" "disk=scratch until=shutdown" --nic "$nic"
        start "unikernel:$engine:$cpus" "${command[@]}"
        await_the_wait
        reach "$cpus"
        kill -TERM "$guest" 2>/dev/null
        finish 0
        [ "$cpus" -eq 1 ] || moved='R27 P09'
        # shellcheck disable=SC2086 # lists of words
        ran $everywhere $services $disk $network T11 $moved
        said report '^ok - U11 an address by DHCP'
        said report '^ok - U11 the gateway answers a ping'
        said report '^ok - DI04 the shutdown is obeyed'
        complete
    done
    enlight "$engine" 2 "disk=scratch" --hv linux,-stimer-direct
    start "unikernel:$engine:message-timers" "${command[@]}"
    finish 0
    # shellcheck disable=SC2086 # lists of words
    ran $everywhere $services $disk T10 R27 P09
    complete
    enlight "$engine" 1 "" --hv none,base,vpindex
    start "unikernel:$engine:base" "${command[@]}"
    finish 0
    ran U01 U02 P10 X01
    complete
    enlight "$engine" 1 "end=crash"
    start "unikernel:$engine:crash" "${command[@]}"
    finish 34
    absent DS01 U10 R27 P09 U11
    said err 'P0 0x6, '
    said err 'unikernel: a fault that nobody expected'
}

# qemu NAME CPUS FLAGS: a bus without devices, which speaks 4.0.
qemu()
{
    start "unikernel:qemu:$1" qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
        -machine q35,accel=kvm -cpu "host,hv-relaxed,hv-vpindex,hv-runtime,hv-time,hv-synic,hv-stimer$3" -smp "$2" \
        -m 64 -kernel "$image" -append "disk=scratch" -device vmbus-bridge -serial stdio
    finish 0
}

under_qemu()
{
    qemu 2 2 ,hv-stimer-direct,hv-frequencies,hv-crash,hv-reset,hv-vapic,hv-tlbflush,hv-ipi
    # shellcheck disable=SC2086 # a list of words
    ran $everywhere T11
    absent DS01 U10 R27 P09 U11 DI02 DI04 DI03
    said report '^ok - U07 VMBus 4\.0'
    complete
    qemu message-timers 1 ''
    # shellcheck disable=SC2086 # a list of words
    ran $everywhere T10
    complete
}

if [ "${1:-}" = --here ]; then
    build=$2 image=$2/example/unikernel/unikernel.elf
    work=$(mktemp -d "${TMPDIR:-/tmp}/enlight-unikernel.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    { under_enlight user; under_enlight kernel; under_qemu; } | summary
elif [ $# -eq 1 ] && [ -d "$1" ]; then
    where_kvm_is "$self" "$(readlink -f "$1")"
else
    echo "usage: test/guest/unikernel.sh BUILD" >&2
    exit 64
fi
