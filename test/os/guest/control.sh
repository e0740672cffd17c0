#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/control.sh - what a guest sees while its machine is stopped, reset and changed from outside.
#
# Run by the root disk's init for the scenario "control". It writes to its root disk all the time, and to every disk
# that comes; it prints a line when a disk comes or goes, twice a second its monotonic time, and what the kernel
# complained of. test/os/control.sh reads the lines and decides.
# shellcheck source=test/os/guest/lib.sh
. /run/enlight/lib.sh

# Writes without end, and leaves some of the processor to the others.
load()
{
    while dd if=/dev/zero of="$1" bs=64k count=4 conv=fsync 2>/dev/null; do
        sleep 0.1
    done
}

# A record in each block, each one safe before the next, until the disk is gone; then says which was the last.
# The disk stays open: by its name there would be a file in its place afterwards.
record()
{
    exec 3<>"/dev/$1"
    n=1
    while echo "record $n" | dd bs=512 conv=sync,fsync >&3 2>/dev/null; do
        n=$((n + 1))
        sleep 0.05
    done
    exec 3>&-
    echo "control: safe $2 $((n - 1))"
}

# Cheap, for it is asked all the time: which disks there are, and how large.
glance() { echo /sys/block/sd* && cat /sys/block/sd*/size 2>/dev/null; }

disks()
{
    for disk in /sys/block/sd*; do
        # The vital product data is binary: the serial number follows four bytes.
        [ ! -e "$disk" ] || echo "${disk##*/}=$(tail -c +5 "$disk/device/vpd_pg80" 2>/dev/null):$(cat "$disk/size")"
    done | tr '\n' ' '
}

# Records on every disk that is new, but the first.
changed()
{
    for disk in $2; do
        case " $1" in
        *" $disk "*) ;;
        *) [ "${disk%%=*}" = sda ] || record "${disk%%=*}" "$(echo "${disk#*=}" | cut -d: -f1)" & ;;
        esac
    done
}

complaints()
{
    dmesg | grep -c -E 'soft lockup|rcu.*stall|timekeeping watchdog|hung task|BUG:|Call Trace|EXT4-fs error'
}

echo "control: up, $(mount | grep -c 'on / type ext4') root"
load /root/load &
last='' seen='' n=0
while :; do
    now=$(glance)
    if [ "$now" != "$seen" ]; then
        list=$(disks)
        case $list in
        *=:*) ;; # one that is still coming has no serial number
        *)
            echo "control: disks $list"
            changed "$last" "$list"
            last=$list seen=$now
            ;;
        esac
    fi
    [ $((n % 10)) -ne 0 ] || trouble=$(complaints)
    read -r up _ </proc/uptime
    echo "control: time $up complaints $trouble"
    n=$((n + 1))
    sleep 0.3
done
