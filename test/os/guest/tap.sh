#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/tap.sh - what a NIC shows that stands on a tap: tags, long frames, the cable, a console.
#
# Run by the root disk's init for the scenario "net". The other side is 10.0.3.2, and 10.0.5.2 on VLAN 5; its MTU is
# 9000. A line "cable: out" or "cable: in" asks test/os/scenarios.sh for that.
# shellcheck source=test/os/guest/lib.sh
. /run/enlight/lib.sh

peer=10.0.3.2

# A change of the device takes its link down for a moment.
answers()
{
    for _ in 1 2 3 4 5; do
        ping -c 1 -W 5 "$@" >/dev/null 2>&1 && return
    done
    return 1
}

fragments() { awk '/^Ip:/ { if (n++) print $16 + $19 }' /proc/net/snmp; }

modprobe hv_netvsc
modprobe -q af_packet
ip addr add 10.0.3.15/24 dev eth0
ip link set eth0 up
row DN27 "$(answers $peer && echo "on a tap $peer answers")" "$(ip addr show eth0)"

modprobe -q 8021q
ip link add link eth0 name eth0.5 type vlan id 5
vconfig set_egress_map eth0.5 0 3 >/dev/null
ip addr add 10.0.5.15/24 dev eth0.5
ip link set eth0.5 up
row DN14 "$(answers 10.0.5.2 && echo 'on VLAN 5 10.0.5.2 answers')" "$(ip -s link show eth0.5)"

before=$(fragments)
ip link set eth0 mtu 9000
row DN03 "$(answers -s 8972 $peer && [ "$(fragments)" = "$before" ] &&
    echo "frames of $(cat /sys/class/net/eth0/mtu) bytes go and come whole")" "$(fragments) fragments, $before before"

echo 'cable: out'
row DN18 "$(carrier 0 && echo "no carrier: $(cat /sys/class/net/eth0/operstate)")" "$(dmesg | tail -n 2)"
echo 'cable: in'
row DN18 "$(carrier 1 && answers $peer && echo "carrier, and $peer answers")" "$(dmesg | tail -n 2)"

mac=$(ip neigh show $peer | sed -n 's/.*lladdr \([^ ]*\).*/\1/p')
modprobe netconsole "netconsole=6665@10.0.3.15/eth0,6666@$peer/$mac"
echo '<1>this line goes over the network' > /dev/kmsg
sleep 1
row DN25 "$(lsmod | grep -o -m 1 '^netconsole')" "$(dmesg | tail -n 2)"
finish
