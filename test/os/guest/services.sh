#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/services.sh - a guest whose pairs, addresses and file systems are its host's business.
#
# Run by the root disk's init for the scenario "services", with Debian's daemons beside it. It writes a record after the
# other, each to two file systems in turn, and says when one is safe; it prints its address and what the host's pool of
# pairs has when that changes, and obeys the pair "do". test/os/services.sh reads the lines and decides.
# shellcheck source=test/os/guest/lib.sh
. /run/enlight/lib.sh
# shellcheck source=test/os/guest/pairs.sh
. /run/enlight/pairs.sh

# A record is safe when both disks have it.
write_records()
{
    n=0
    while :; do
        n=$((n + 1))
        for dir in /root /mnt; do
            echo "record $n" >>$dir/records && sync -d $dir/records
        done
        echo "services: safe $n"
        sleep 0.5
    done
}

daemon() { pidof "hv_$1_daemon"; }

# The process that starts a daemon again.
keeper() { awk '{ print $4 }' "/proc/$(daemon "$1")/stat"; }

obey()
{
    case $1 in
    put=*) put "${1#put=}" 'from the guest, ä' ;;
    kill) kill -KILL "$(daemon vss)" ;;
    end) kill -KILL "$(keeper vss)" "$(daemon vss)" ;;
    start) hv_vss_daemon -n >/dev/null 2>&1 & ;;
    hang) kill -STOP "$(daemon vss)" ;;
    go-on) kill -CONT "$(daemon vss)" ;;
    # A file system that is in the list of mounts and that nobody can open.
    hide) mkdir -p /tmp/deep/er && mount --bind /root /tmp/deep/er && mount -t tmpfs tmpfs /tmp/deep ;;
    show) umount /tmp/deep && umount /tmp/deep/er ;;
    esac
    echo "services: did $task, status $?, vss daemon $(daemon vss)"
}

address() { ip addr show eth0 | awk '/inet/ && !/fe80/ { printf " %s", $2 }'; }

# Says once what the kernel complains of.
complain()
{
    dmesg | grep -B 12 -E 'soft lockup|rcu.*stall|timekeeping watchdog|blocked for more than|BUG:|Call Trace|EXT4-fs error' \
        >/run/complaints
    tail -n "+$((heard + 1))" /run/complaints | sed 's/^/services: complaint /'
    heard=$(wc -l </run/complaints)
}

for disk in sda sdb; do
    grep -q "^/dev/$disk " /proc/mounts || second=/dev/$disk
done
mkfs.ext4 -q "$second" && mount "$second" /mnt
ip link set eth0 up
udhcpc -i eth0 -n -q -t 10 -s /usr/lib/enlight/dhcp >/dev/null 2>&1
echo "services: up, $(cat /sys/class/net/eth0/address | tr a-f A-F) $(cat /sys/class/net/eth0/device/device_id), $(uname -r)"
log_line 'KVP IC version'
log_line 'VSS IC version'
# What an emulated processor makes the kernel say of XSAVE while it starts is not the services' doing.
dmesg -c >/run/start
write_records &
was='' had='' last='' heard=0
while :; do
    now=$(address) have=$(pairs 0 | tr '\n' ' ')
    [ "$now" = "$was" ] || echo "services: address$now router $(ping -c 1 -W 5 10.0.2.2 >/dev/null && echo answers)"
    [ "$have" = "$had" ] || echo "services: pool $have"
    was=$now had=$have
    task=$(value 'do')
    if [ "$task" != "$last" ]; then
        last=$task
        obey "${task#*:}"
    fi
    complain
    echo "services: tick"
    sleep 1
done
