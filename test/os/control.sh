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

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=test/os/drive.sh
. "$here/drive.sh"

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
    row Z13 "$(grep -q 'heartbeat *ok' "$work/status"; echo $?)" "$(one_line "$work/status")"
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

last_list() { grep -a "control: $1" "$log" | tail -n 1; }

# sees LIST SECONDS TEXT, misses LIST SECONDS TEXT: what the guest's list of disks or nics comes to.
sees()
{
    local i
    for ((i = 0; i < $2 * 5; i++)); do
        ! last_list "$1" | grep -q -E "$3" || return 0
        sleep 0.2
    done
    return 1
}

misses()
{
    local i
    for ((i = 0; i < $2 * 5; i++)); do
        last_list "$1" | grep -q -E "$3" || return 0
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

# gone ID...: takes them away, and waits until they have left.
gone()
{
    local id i
    for id in "$@"; do
        ctl "$socket" device_del "id=$id" || return 1
    done
    for ((i = 0; i < 300; i++)); do
        ctl "$socket" query-devices >"$work/devices" || return 1
        grep -q -w -E "^($(IFS='|' && echo "$*"))" "$work/devices" || return 0
        sleep 0.2
    done
    return 1
}

# One round: a disk and a NIC come, are used and leave; the disk every second time on a controller that comes before it
# and leaves after it, or with it.
round()
{
    local serial=hot-$1 controller=0 mac leave='wire hot'
    mac=02:00:00:00:00:$(printf %02x "$1")
    rm -f "$work/hot.raw"
    truncate -s 8M "$work/hot.raw"
    if [ $(($1 % 2)) = 1 ]; then
        controller=1
        ctl "$socket" device_add driver=scsi controller=1 id=more || return 1
    fi
    case $(($1 % 4)) in
    1) leave='wire more' ;;
    3) leave='wire hot more' ;;
    esac
    ctl "$socket" device_add driver=nic id=wire "net=user,mac=$mac" || return 1
    ctl "$socket" device_add driver=disk id=hot "path=$work/hot.raw" "serial=$serial" "controller=$controller" ||
        return 1
    sees disks 60 "$serial:16384" && expect 60 "control: answered $mac" || return 1
    sleep 0.$(($1 % 10))
    # shellcheck disable=SC2086 # a list of words
    gone $leave && misses disks 60 "$serial" && misses nics 60 "$mac" && records_are_there "$serial"
}

# What the machine holds in all.
held()
{
    local proc=/proc/$1
    echo "$(find "$proc/fd" -mindepth 1 | wc -l) descriptors," \
        "$(find "$proc/task" -mindepth 1 -maxdepth 1 -exec cat {}/comm \; 2>/dev/null | grep -c -v iou-) threads"
}

# The heap alone: the guest's memory comes and goes as the guest touches it.
heap() { awk '/\[heap\]/ { heap = 1 } heap && /^Rss/ { print $2; exit }' "/proc/$1/smaps"; }

# Which relids there are, and how many GPADLs, as they were told last.
relids() { awk '/^[A-Za-z].* (open|offered|rescinded) / { print $2 }' "$work/vmbus" | sort -n | tr '\n' ' '; }
gpadls() { sed -n '/^gpadls/,$p' "$work/vmbus" | grep -c ready; }

come_and_go()
{
    local i pid before='' heap='' bus
    safe=0
    pid=$(pgrep -f "^$enlight run .*$socket")
    ctl "$socket" query-vmbus >"$work/vmbus"
    bus="relids $(relids)with $(gpadls) GPADLs"
    for ((i = 1; i <= rounds; i++)); do
        round "$i" >"$work/round" || break
        # What the machine keeps for the next time it has kept after two rounds.
        [ "$i" != 2 ] || before=$(held "$pid") heap=$(heap "$pid")
    done
    row V24 "$([ "$i" -gt "$rounds" ]; echo $?)" \
        "$((i - 1)) times a disk and a NIC came and went $(head -c 200 "$work/round")"
    row DS11 "$([ "$safe" -gt "$rounds" ]; echo $?)" "$safe records that the guest called safe are in the files"
    row V31 "$([ "$(held "$pid")" = "$before" ]; echo $?)" "after 2 rounds $before, after all $(held "$pid")"
    row V31 "$([ "$(heap "$pid")" -le $((heap + 256)) ]; echo $?)" "a heap of $heap KiB, then $(heap "$pid")"
    ctl "$socket" query-vmbus >"$work/vmbus"
    row V44 "$([ "$bus" = "relids $(relids)with $(gpadls) GPADLs" ]; echo $?)" "$bus, then $(relids)with $(gpadls)"
}

# A cable that is pulled: the guest sees it, and talks on when it is back.
link()
{
    local mac=02:00:00:00:01:00
    ctl "$socket" device_add driver=nic id=wire "net=user,mac=$mac"
    expect 60 "control: answered $mac"
    row DN01 $? "the router answers a NIC that came late: $(last_list nics | tr -d '\r')"
    ctl "$socket" set_link name=wire up=off
    sees nics 30 "$mac/0"
    row DN18 $? "a cable that is out is seen: $(last_list nics | tr -d '\r')"
    sleep 5
    ctl "$socket" set_link name=wire up=on
    sees nics 30 "$mac/1" && expect 60 "control: answered $mac" 2
    row DN18 $? "it is in again, and the router answers"
    gone wire
}

resize()
{
    truncate -s 8M "$work/hot.raw"
    ctl "$socket" device_add driver=disk id=hot "path=$work/hot.raw" serial=grows
    sees disks 60 'grows:16384'
    ctl "$socket" block_resize device=hot size=16777216
    sees disks 60 'grows:32768'
    row DS12 $? "8 MiB became 16 without a word to the guest's user"
    row DS12 "$([ "$(stat -c %s "$work/hot.raw")" = 16777216 ]; echo $?)" "and so did the file"
    gone hot
}

reset_under_load()
{
    local ups
    ups=$(grep -c -a 'control: up' "$log")
    after RESET system_reset
    row X13 $? "the host's reset is told: $(one_line "$work/event")"
    expect 120 'control: up, 1 root' $((ups + 1))
    row X13 $? "the guest is up again after a reset under disk load"
    row X12 "$(ctl "$socket" query-vmbus | grep -q '^scsi0 .*open'; echo $?)" "its channels are open again"
    row S22 "$(ctl "$socket" query-hv | grep -q 'SCONTROL .*on'; echo $?)" "its SynIC is on again"
}

end()
{
    local complaint
    complaint=$(grep -a -m 1 -o 'control: complaint .*' "$log" | tr -d '\r')
    row T20 "$([ -z "$complaint" ]; echo $?)" "the kernel complained of ${complaint:-nothing}"
    after SHUTDOWN quit
    row Z07 $? "quit: $(one_line "$work/event")"
}

expect 120 'control: up, 1 root' 1 || { echo "not ok Z07 the guest is not up"; ctl "$socket" quit; exit; }
expect 30 'control: time'
sleep 3
for part in queries stop_and_cont come_and_go link resize reset_under_load end; do
    began=$SECONDS
    "$part"
    echo "# $part: $((SECONDS - began)) s"
done
echo "control: end"
