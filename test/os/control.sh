#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/control.sh ENLIGHT WORK LOG - drive a guest that runs control.sh through its control socket, as TAP.
#
# Run by test/os/scenarios.sh beside the boot whose console is LOG. Each verdict is a line "ok ROW what" or "not ok
# ROW what"; the caller puts the boot's name before it. Ends the machine in the end.
set -u
enlight=$1 work=$2 log=$3
socket=$work/control.sock

ctl() { "$enlight" ctl --timeout 60 "$@" 2>&1; }

row()
{
    if [ "$2" = 0 ]; then
        echo "ok $1 $3"
    else
        echo "not ok $1 $3"
    fi
}

# expect SECONDS TEXT COUNT: until LOG has so many lines with TEXT.
expect()
{
    local i
    for ((i = 0; i < $1 * 5; i++)); do
        [ "$(grep -c -a -E "$2" "$log")" -lt "${3:-1}" ] || return 0
        sleep 0.2
    done
    return 1
}

last_time() { grep -a -o 'control: time [0-9]*' "$log" | tail -n 1 | cut -d' ' -f3; }

# after EVENT COMMAND... : does it, and waits for the event.
after()
{
    ctl --wait "$1" "$socket" "${@:2}" >"$work/event"
}

queries()
{
    local mode
    mode=$(stat -c %a "$socket")
    row Z07 "$([ "$mode" = 600 ]; echo $?)" "the socket's mode is $mode"
    ctl "$socket" query-status >"$work/status"
    row Z13 "$(grep -q 'heartbeat *ok' "$work/status"; echo $?)" "$(tr -s ' \n' ' ' <"$work/status")"
    ctl "$socket" query-vmbus >"$work/vmbus"
    row Z07 "$(grep -q '^scsi0 .*open *6.2' "$work/vmbus"; echo $?)" \
        "$(grep '^scsi0' "$work/vmbus" | head -n 1 | tr -s ' ' | cut -c1-60)"
    row R30 "$(grep -q -E '^Heartbeat|^heartbeat' "$work/vmbus"; echo $?)" \
        "$(grep -c -E ' open ' "$work/vmbus") channels are open"
    ctl "$socket" query-hv >"$work/hv"
    row Z12 "$(grep -q 'GUEST_OS_ID .*Linux' "$work/hv"; echo $?)" "$(grep GUEST_OS_ID "$work/hv" | tr -s ' ')"
    row Z07 "$(grep -q 'SINT2 .*vector 0xf3' "$work/hv"; echo $?)" "$(grep ' SINT2 ' "$work/hv" | tr -s ' ')"
}

# The guest's clock stands still for as long as the guest does.
stop_and_cont()
{
    local before after
    ctl "$socket" stop >/dev/null
    row T20 "$(ctl "$socket" query-status | grep -q paused; echo $?)" "the machine is paused"
    sleep 2
    before=$(last_time)
    sleep 20
    row T20 "$([ "$(last_time)" = "$before" ]; echo $?)" "the guest does nothing while it is stopped"
    ctl "$socket" cont >/dev/null
    expect 60 "control: time ($((before + 1))|$((before + 2))|$((before + 3))|$((before + 4))|$((before + 5)))\." 1
    row T20 $? "20 s of a stop are none for the guest: its time goes on from $before"
    after=$(last_time)
    row T20 "$([ "$after" -lt $((before + 15)) ]; echo $?)" "time $before before, $after after"
}

reset_under_load()
{
    local ups
    ups=$(grep -c -a 'control: up' "$log")
    after RESET system_reset
    row X13 $? "the host's reset is told: $(tr -s ' \n' ' ' <"$work/event")"
    expect 120 'control: up, 1 root' $((ups + 1))
    row X13 $? "the guest is up again after a reset under disk load"
    row X12 "$(ctl "$socket" query-vmbus | grep -q '^scsi0 .*open'; echo $?)" "its channels are open again"
    row S22 "$(ctl "$socket" query-hv | grep -q 'SCONTROL .*on'; echo $?)" "its SynIC is on again"
}

end()
{
    row T20 "$(grep -a -o 'complaints [0-9]*' "$log" | tail -n 1 | grep -q ' 0$'; echo $?)" "the kernel complained of nothing"
    after SHUTDOWN quit
    row Z07 $? "quit: $(tr -s ' \n' ' ' <"$work/event")"
}

expect 120 'control: up, 1 root' 1 || { echo "not ok Z07 the guest is not up"; ctl "$socket" quit; exit; }
expect 30 'control: time'
sleep 3
queries
stop_and_cont
reset_under_load
end
echo "control: end"
