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
rounds=${control_rounds:-50}
safe=0

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

# sees SECONDS TEXT, misses SECONDS TEXT: what the guest's list of disks comes to.
sees()
{
    local i
    for ((i = 0; i < $1 * 5; i++)); do
        ! grep -a 'control: disks' "$log" | tail -n 1 | grep -q -E "$2" || return 0
        sleep 0.2
    done
    return 1
}

misses()
{
    local i
    for ((i = 0; i < $1 * 5; i++)); do
        grep -a 'control: disks' "$log" | tail -n 1 | grep -q -E "$2" || return 0
        sleep 0.2
    done
    return 1
}

# Every record that the guest called safe is in the file.
records_are_there()
{
    local last
    expect 30 "control: safe $1 [0-9]" || return 1
    last=$(grep -a -o "control: safe $1 [0-9]*" "$log" | cut -d' ' -f4)
    [ "$(tr -d '\000 ' <"$work/hot.raw" | grep -a -c '^record[0-9]')" -ge "$last" ] && safe=$((safe + last))
}

# One round: a disk comes and leaves, every second time on a controller that comes before it and leaves after it.
# Seen: Linux waits for ever for a request of a controller that was rescinded, so the disk goes first.
round()
{
    local serial=hot-$1 controller=0
    rm -f "$work/hot.raw"
    truncate -s 8M "$work/hot.raw"
    if [ $(($1 % 2)) = 1 ]; then
        controller=1
        ctl "$socket" device_add driver=scsi controller=1 id=more || return 1
    fi
    ctl "$socket" device_add driver=disk id=hot "path=$work/hot.raw" "serial=$serial" "controller=$controller" ||
        return 1
    sees 60 "$serial:16384" || return 1
    sleep 0.$(($1 % 10))
    after DEVICE_DELETED device_del id=hot || return 1
    misses 60 "$serial" && records_are_there "$serial" || return 1
    [ $controller = 0 ] || after DEVICE_DELETED device_del id=more
}

held() { echo "$(find "/proc/$1/fd" -mindepth 1 | wc -l) descriptors, $(find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l) threads"; }

come_and_go()
{
    local i pid before='' gpadls channels
    safe=0
    pid=$(pgrep -f "^$enlight run .*$socket")
    for ((i = 1; i <= rounds; i++)); do
        round "$i" >"$work/round" || break
        # What the machine keeps for the next time it has kept after two rounds.
        [ "$i" != 2 ] || before=$(held "$pid")
    done
    row V24 "$([ "$i" -gt "$rounds" ]; echo $?)" "$((i - 1)) times a disk came and went $(head -c 200 "$work/round")"
    row DS11 "$([ "$safe" -gt "$rounds" ]; echo $?)" "$safe records that the guest called safe are in the files"
    row V31 "$([ "$(held "$pid")" = "$before" ]; echo $?)" "after 2 rounds $before, after all $(held "$pid")"
    ctl "$socket" query-vmbus >"$work/vmbus"
    channels=$(grep -c -E '^[A-Za-z].* (open|offered|rescinded) ' "$work/vmbus")
    gpadls=$(sed -n '/^gpadls/,$p' "$work/vmbus" | grep -c ready)
    row V44 "$([ "$channels" = "$gpadls" ]; echo $?)" "$channels channels, $gpadls GPADLs"
}

resize()
{
    truncate -s 8M "$work/hot.raw"
    ctl "$socket" device_add driver=disk id=hot "path=$work/hot.raw" serial=grows
    sees 60 'grows:16384'
    ctl "$socket" block_resize device=hot size=16777216
    sees 60 'grows:32768'
    row DS12 $? "8 MiB became 16 without a word to the guest's user"
    row DS12 "$([ "$(stat -c %s "$work/hot.raw")" = 16777216 ]; echo $?)" "and so did the file"
    after DEVICE_DELETED device_del id=hot
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
come_and_go
resize
reset_under_load
end
echo "control: end"
