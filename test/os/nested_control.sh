#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/nested_control.sh ENLIGHT WORK - the control socket of a guest in the nested machine, from outside, as TAP.
#
# Run by test/os/run.sh, not in the nested machine: it starts one of its own. WORK/6.1 has a kernel, an initramfs and a root disk.
set -u
enlight=$1 work=$2
socket=$work/nested.sock log=$work/nested-control
passed=0 failed=0

ctl() { "$enlight" ctl --timeout 60 "$@"; }

# promise NAME STATUS
promise()
{
    if [ "$2" = 0 ]; then
        passed=$((passed + 1))
        echo "ok - nested-control: $1"
    else
        failed=$((failed + 1))
        echo "not ok - nested-control: $1"
    fi
}

# until_true SECONDS COMMAND...
until_true()
{
    local i
    for ((i = 0; i < $1 * 5; i++)); do
        ! "${@:2}" || return 0
        sleep 0.2
    done
    return 1
}

says() { grep -q -a "$1" "$2"; }
is_gone() { ctl "$socket" query-devices >"$work/devices" && ! grep -q -w "$1" "$work/devices"; }
beats() { "$enlight" ctl --timeout 10 "$socket" query-status 2>/dev/null | grep -q 'heartbeat *ok'; }

cp --sparse=always "$work/6.1/root.raw" "$work/nested.raw"
"$enlight" run --accel nested --kernel "$work/6.1/vmlinuz" --initrd "$work/6.1/initrd" --memory 256M \
    --cmdline "console=ttyS0 quiet root=LABEL=enlight rw enlight.script=control.sh" \
    --disk "path=$work/nested.raw" --control "$socket" </dev/null >"$log" 2>"$log.err" &
pid=$!
until_true 240 says 'control: time' "$log"
promise "the guest runs" $?
promise "Z07 the socket's mode is $(stat -c %a "$socket")" "$([ "$(stat -c %a "$socket")" = 600 ]; echo $?)"
until_true 60 beats
promise "Z13 the guest's heartbeat is seen from outside" $?

mac=02:00:00:00:01:00
ctl "$socket" device_add driver=nic id=wire "net=user,mac=$mac"
until_true 60 says "control: answered $mac" "$log"
promise "DN01 the router answers a NIC that came late" $?
ctl "$socket" set_link name=wire up=off
until_true 30 says "control: nics eth0=$mac/0" "$log"
promise "DN18 the guest sees that its cable is out" $?
ctl "$socket" device_del id=wire
until_true 60 is_gone wire
promise "V24 the guest lets go of a NIC that leaves" $?

ctl "$socket" wait STOP >"$work/heard" 2>&1 &
waiter=$!
sleep 1
ctl --json "$socket" query-vmbus | grep -q '"channels":\[{'
promise "Z07 a second client is answered while the first waits" $?
ctl "$socket" stop
wait "$waiter"
promise "Z07 an event reaches the one who waits" $?
ctl "$socket" cont
ctl --wait SHUTDOWN "$socket" quit | grep -q 'host-quit'
promise "Z07 the last word comes through" $?
wait "$pid"
status=$?
promise "exit status $status, expected 0" $status
promise "the socket's file is gone" "$([ ! -e "$socket" ]; echo $?)"
[ "$failed" = 0 ] || tail -n 15 "$log" "$log.err" | sed 's/^/# /'
[ "$failed" = 0 ]
