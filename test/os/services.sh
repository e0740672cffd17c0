#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/services.sh ENLIGHT WORK LOG DISK... - a guest's pairs, addresses and frozen disks from outside, as TAP.
#
# Run by test/os/scenarios.sh beside the boot whose console is LOG; the guest runs services.sh with Debian's
# hv_kvp_daemon and hv_vss_daemon, and the DISKs are its file systems. Each verdict is a line "ok ROW what" or "not ok ROW
# what"; the caller puts the boot's name before it. Ends the machine in the end.
set -u
enlight=$1 work=$2 log=$3
shift 3
disks=("$@")
socket=$work/control.sock
tasks=0
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=test/os/drive.sh
. "$here/drive.sh"

last_safe() { grep -a -o 'services: safe [0-9]*' "$log" | tail -n 1 | cut -d' ' -f3; }

# promise ROW TEXT FILE WHAT: FILE has a line with TEXT.
promise()
{
    local line
    if line=$(grep -m 1 -a -E "$2" "$3"); then
        row "$1" 0 "$4: $(tr -s ' ' <<<"$line")"
    else
        row "$1" 1 "$4: $(one_line "$3")"
    fi
}

# The guest does it, and says so. A task has a number: the same one can come again.
task()
{
    tasks=$((tasks + 1))
    ctl "$socket" hv-kvp-set key=do "value=$tasks:$1" && expect 60 "services: did $tasks:$1, status 0"
}

# The writer goes on.
goes_on() { expect 90 "services: safe ($(($(last_safe) + 2))|$(($(last_safe) + 3)))[^0-9]"; }

# Nothing is safe any more while the guest's own clock goes on.
stands_still()
{
    local before ticks
    before=$(last_safe) ticks=$(grep -c -a 'services: tick' "$log")
    expect 60 'services: tick' $((ticks + 3)) && [ "$(last_safe)" = "$before" ]
}

tells_of_itself()
{
    local release
    release=$(sed -n 's/.*services: up, .*, \([^ ]*\).*/\1/p' "$log" | tr -d '\r')
    ctl "$socket" hv-kvp-list >"$work/auto"
    promise DI06 '^OSName +Debian GNU/Linux' "$work/auto" "the guest tells of itself"
    promise DI06 "^OSBuildNumber +$release" "$work/auto" "its kernel"
    promise DI06 '^NetworkAddressIPv4 +10.0.2.15' "$work/auto" "its address"
    promise DI06 '^FullyQualifiedDomainName +guest.enlight.test' "$work/auto" "its name"
    ctl "$socket" hv-kvp-get pool=auto key=OSVersion >"$work/one"
    promise DI06 "${release%%-*}" "$work/one" "one pair of them"
}

pairs_of_the_host()
{
    local long i
    long=$(printf 'long-%0990d' 7)
    ctl "$socket" hv-kvp-set key=greeting 'value=from the host, ä€' >"$work/set"
    expect 60 'services: pool .*greeting=from the host, ä€'
    row DI07 $? "the guest reads greeting=from the host, ä€ $(cat "$work/set")"
    ctl "$socket" hv-kvp-set key=greeting "value=$long" >"$work/set"
    expect 60 "services: pool .*greeting=$long"
    row DI07 $? "another value of ${#long} characters takes its place $(cat "$work/set")"
    for i in 1 2 3 4 5 6 7 8; do
        ctl "$socket" hv-kvp-set "key=key$i" "value=value$i"
    done >"$work/set"
    ctl "$socket" hv-kvp-list pool=external >"$work/list"
    row DI08 "$([ "$(grep -c -E '^key([1-8]) +value[1-8]$' "$work/list")" = 8 ]; echo $?)" \
        "eight more are in the list of $(($(wc -l <"$work/list") - 1)) $(cat "$work/set")"
    ctl "$socket" hv-kvp-delete pool=external key=greeting >"$work/set"
    ctl "$socket" hv-kvp-get pool=external key=greeting >"$work/one"
    promise DI08 'no such pair' "$work/one" "a deleted pair is gone $(cat "$work/set")"
    ctl "$socket" hv-kvp-delete pool=external key=greeting >"$work/one"
    promise DI08 'no such pair' "$work/one" "and cannot be deleted again"
    ctl "$socket" hv-kvp-get pool=external key=key8 >"$work/one"
    promise DI08 'value8' "$work/one" "the others stay"
}

pairs_of_the_guest()
{
    task put=own
    ctl "$socket" hv-kvp-get pool=guest key=own >"$work/one"
    promise DI07 'from the guest, ä' "$work/one" "the guest's own pair"
    task put=second
    ctl "$socket" hv-kvp-list pool=guest >"$work/list"
    row DI07 "$([ "$(grep -c 'from the guest' "$work/list")" = 2 ]; echo $?)" "two of them: $(one_line "$work/list")"
}

addresses()
{
    local mac adapter
    mac=$(sed -n 's/.*services: up, \([^ ]*\) .*/\1/p' "$log")
    adapter=$(sed -n 's/.*services: up, [^ ]* {\(.*\)}.*/\1/p' "$log")
    ctl "$socket" hv-ip-get "adapter=${mac,,}" >"$work/ip"
    promise DI08 'address +10.0.2.15$' "$work/ip" "addresses are read"
    promise DI08 'dhcp +yes' "$work/ip" "they come by DHCP"
    promise DI08 'gateway +10.0.2.2' "$work/ip" "the router"
    ctl "$socket" hv-ip-set "adapter=${adapter^^}" 'address=10.0.2.77;fd00:77::77' 'subnet=255.255.255.0;/64' \
        gateway=10.0.2.2 dns=10.0.2.3 >"$work/set"
    expect 60 'services: address 10.0.2.77/24 .*fd00:77::77/64 router answers'
    row DI08 $? "addresses are injected, $(grep -a -o 'services: address.*' "$log" | tail -n 1 | tr -d '\r') $(cat "$work/set")"
    ctl "$socket" hv-ip-get "adapter=$mac" >"$work/ip"
    promise DI08 'address +10.0.2.77;.*fd00:77::77' "$work/ip" "they are read back"
    promise DI08 'dhcp +no' "$work/ip" "not by DHCP"
    ctl "$socket" hv-kvp-list >"$work/auto"
    promise DI06 'NetworkAddressIPv4 +10.0.2.77' "$work/auto" "the guest tells of the new one"
    ctl "$socket" hv-ip-set "adapter=$adapter" dhcp=on >"$work/set"
    expect 60 'services: address 10.0.2.15/24' 2
    row DI08 $? "and back to DHCP $(cat "$work/set")"
    ctl "$socket" hv-ip-set adapter=00000000-0000-0000-0000-000000000001 address=10.0.2.9 subnet=255.0.0.0 >"$work/set"
    promise DI08 'the machine says' "$work/set" "no such adapter"
    ctl "$socket" hv-ip-get adapter=00:15:5D:00:00:FE >"$work/ip"
    promise DI08 'the machine says' "$work/ip" "nor such an address"
}

# What a copy has: a clean file system, and all records up to the last.
look_at_copy()
{
    local last
    e2fsck -f -n "$1" >"$work/fsck" 2>&1
    row DI09 $? "e2fsck finds the copy of ${1##*/} clean: $(tail -n 1 "$work/fsck")"
    dumpe2fs -h "$1" 2>/dev/null | grep features >"$work/features"
    row DI09 "$(grep -q has_journal "$work/features" && ! grep -q needs_recovery "$work/features"; echo $?)" \
        "its journal is empty"
    debugfs -R "cat $2" "$1" 2>/dev/null >"$1.records"
    last=$(tail -n 1 "$1.records" | cut -d' ' -f2)
    seq -f 'record %.0f' "${last:-1}" | cmp -s - "$1.records"
    row DI09 $? "records 1 to ${last:-none} are in it without a gap"
    row DI09 "$([ "${last:-0}" -ge "$3" ] && [ "$last" -le $(($3 + 1)) ]; echo $?)" "the last one that was safe was $3"
}

copy_of_one_moment()
{
    local i safe
    ctl "$socket" hv-vss-freeze hold=600 >"$work/freeze"
    row DI09 $? "frozen $(cat "$work/freeze")"
    sleep 2 # what was on its way to the console arrives
    safe=$(last_safe)
    for i in "${!disks[@]}"; do
        cp --sparse=always "${disks[i]}" "$work/copy$i.raw"
    done
    stands_still
    row DI09 $? "the guest writes nothing after record $(last_safe)"
    for i in "${!disks[@]}"; do
        cmp "${disks[i]}" "$work/copy$i.raw"
        row DI09 $? "disk $i is what it was when it was copied"
    done
    ctl "$socket" hv-vss-freeze >"$work/freeze"
    promise DI09 'a freeze is under way' "$work/freeze" "once is enough"
    ctl "$socket" hv-vss-thaw >"$work/thaw"
    row DI09 $? "thawed $(cat "$work/thaw")"
    goes_on
    row DI09 $? "the guest goes on to record $(last_safe)"
    look_at_copy "$work/copy0.raw" /root/records "$safe"
    look_at_copy "$work/copy1.raw" /records "$safe"
    rm -f "$work"/copy*
}

held_too_long()
{
    ctl --wait HV_VSS "$socket" hv-vss-freeze hold=5 >"$work/freeze"
    sleep 6
    goes_on
    row DI09 $? "held for more than 5 s, the guest goes on to record $(last_safe)"
    ctl "$socket" hv-vss-thaw >"$work/thaw"
    promise DI09 'held too long' "$work/thaw" "and the thaw says so"
}

# refused TEXT WHAT: no freeze, and the guest has lost nothing.
refused()
{
    ctl "$socket" hv-vss-freeze >"$work/freeze"
    promise DI09 "$1" "$work/freeze" "$2"
    goes_on
    row DI09 $? "the guest goes on to record $(last_safe)"
}

# A daemon that has just come has registered by then.
freeze_and_thaw()
{
    sleep 3
    ctl "$socket" hv-vss-freeze >"$work/freeze" && stands_still && ctl "$socket" hv-vss-thaw >"$work/freeze" && goes_on
    row DI09 $? "$1, it can be frozen and thawed $(cat "$work/freeze")"
}

daemon_dies()
{
    ctl "$socket" hv-vss-freeze hold=300 >"$work/freeze" && task kill
    row DI09 $? "the daemon is killed while the guest is frozen $(cat "$work/freeze")"
    stands_still
    row DI09 $? "the guest stays frozen"
    ctl "$socket" hv-vss-thaw >"$work/thaw"
    row DI09 $? "another daemon thaws it $(cat "$work/thaw")"
    goes_on
    row DI09 $? "the guest goes on to record $(last_safe)"
    ctl "$socket" hv-vss-freeze hold=20 >"$work/freeze" && task kill && goes_on
    row DI09 $? "killed again, it goes on without a word from the host to record $(last_safe)"
    ctl "$socket" hv-vss-thaw >"$work/thaw"
    promise DI09 'held too long' "$work/thaw" "and the thaw says so"
}

reset_while_frozen()
{
    local ups
    ups=$(grep -c -a 'services: up' "$log")
    ctl "$socket" hv-vss-freeze hold=300 >"$work/freeze"
    row DI09 $? "frozen $(cat "$work/freeze")"
    ctl "$socket" system_reset
    expect 120 'services: up' $((ups + 1))
    row DI09 $? "reset while it is frozen, the guest comes up"
    expect 60 'services: safe 3[^0-9]' 2
    freeze_and_thaw "after the reset"
}

end()
{
    local complaint
    complaint=$(grep -a -o 'services: complaint .*' "$log" | tail -n 1 | tr -d '\r')
    row DI09 "$([ -z "$complaint" ]; echo $?)" "the kernel complained of ${complaint:-nothing}"
    ctl --wait SHUTDOWN "$socket" quit >"$work/event"
    row Z07 $? "quit: $(one_line "$work/event")"
}

expect 120 'services: safe 3' || { echo "not ok DI06 the guest is not up"; ctl "$socket" quit; exit; }
tells_of_itself
pairs_of_the_host
pairs_of_the_guest
addresses
copy_of_one_moment
held_too_long
task hide
refused 'cannot be frozen' "a file system that cannot be frozen ends the freeze"
task show
freeze_and_thaw "without it"
daemon_dies
task end
refused 'is hv_vss_daemon running' "without a daemon there is no freeze"
task start
freeze_and_thaw "with one again"
task hang
ctl_seconds=120 refused 'cannot be frozen' "nor with one that hangs"
task go-on
freeze_and_thaw "when it goes on"
reset_while_frozen
end
echo "services: end"
