#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/control.sh - what a guest sees while its machine is stopped, reset and changed from outside.
#
# Run by the root disk's init for the scenario "control". It writes to its root disk all the time, and to every disk
# that comes, and asks the router of every NIC's network; it prints a line when a disk or a NIC comes or goes, twice a
# second its monotonic time, and what the kernel complains of. test/os/control.sh reads the lines and decides.
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

# Asks fifty times a second, until the NIC is gone; says when it has an answer again.
converse()
{
    ip link set "$1" up
    ip addr add 10.0.2.15/24 dev "$1"
    said=''
    while [ -e "/sys/class/net/$1" ]; do
        if ping -i 0.02 -q -s 1000 -w 2 -I "$1" 10.0.2.2 >/dev/null 2>&1; then
            [ "$said" ] || echo "control: answered $2"
            said=1
        else
            said=''
            sleep 0.5
        fi
    done
}

# Cheap, for it is asked all the time: which disks there are, and how large; which NICs, and which have a link.
glance()
{
    echo /sys/block/sd* /sys/class/net/eth*
    cat /sys/block/sd*/size /sys/class/net/eth*/carrier 2>/dev/null
}

disks()
{
    for disk in /sys/block/sd*; do
        # The vital product data is binary: the serial number follows four bytes.
        [ ! -e "$disk" ] || echo "${disk##*/}=$(tail -c +5 "$disk/device/vpd_pg80" 2>/dev/null):$(cat "$disk/size")"
    done | tr '\n' ' '
}

nics()
{
    for nic in /sys/class/net/eth*; do
        [ ! -e "$nic" ] || echo "${nic##*/}=$(cat "$nic/address")/$(cat "$nic/carrier" 2>/dev/null)"
    done | tr '\n' ' '
}

# is_new OLD NAME: no word of OLD begins with it.
is_new()
{
    case " $1" in *" $2="*) return 1 ;; esac
}

# Records on every disk that is new, but the first.
disks_changed()
{
    echo "control: disks $2"
    for word in $2; do
        if [ "${word%%=*}" != sda ] && is_new "$1" "${word%%=*}"; then
            record "${word%%=*}" "$(echo "${word#*=}" | cut -d: -f1)" &
        fi
    done
}

nics_changed()
{
    echo "control: nics $2"
    for word in $2; do
        if is_new "$1" "${word%%=*}"; then
            converse "${word%%=*}" "$(echo "${word#*=}" | cut -d/ -f1)" &
        fi
    done
}

# Seen: in the nested machine every kernel finds another size of its XSAVE area than CPUID has, and warns.
complaints()
{
    dmesg | grep -E 'soft lockup|rcu.*stall|timekeeping watchdog|blocked for more than|BUG:|WARNING:|EXT4-fs error' |
        grep -v -F fpu/xstate.c
}

# Says each of them once.
complain()
{
    complaints >/run/complaints
    tail -n "+$((heard + 1))" /run/complaints | sed 's/^/control: complaint /'
    heard=$(wc -l </run/complaints)
}

modprobe -q hv_netvsc
echo "control: up, $(mount | grep -c 'on / type ext4') root"
load /root/load &
disks='' nics='' seen='' n=0 heard=0
while :; do
    now=$(glance)
    if [ "$now" != "$seen" ]; then
        list=$(disks)
        case $list in
        *=:*) ;; # one that is still coming has no serial number
        *)
            [ "$list" = "$disks" ] || disks_changed "$disks" "$list"
            disks=$list seen=$now
            ;;
        esac
        list=$(nics)
        [ "$list" = "$nics" ] || nics_changed "$nics" "$list"
        nics=$list
    fi
    [ $((n % 10)) -ne 0 ] || complain
    read -r up _ </proc/uptime
    echo "control: time $up"
    n=$((n + 1))
    sleep 0.3
done
