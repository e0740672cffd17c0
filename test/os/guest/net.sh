# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/net.sh - the network's rows of report.sh.
#
# Sourced by report.sh in the guest. Expectations: nic (there is one, on a user-mode network), and web-PORT (that port of
# the host leads to our port 8000).

# What udhcpc calls.
dhcp_script()
{
    cat > /tmp/dhcp <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/24" dev "$interface"
ip route add default via "$router"
echo "$ip" > /tmp/leased
END
    chmod +x /tmp/dhcp
}

lease()
{
    rm -f /tmp/leased
    ip addr flush dev eth0
    ip link set eth0 up
    udhcpc -i eth0 -n -q -t 10 -s /tmp/dhcp >/tmp/dhcp.log 2>&1
    cat /tmp/leased 2>/dev/null
}

# A change of the device takes its link down for a moment.
reachable()
{
    for _ in 1 2 3 4 5; do
        ping -c 1 -W 5 10.0.2.2 >/dev/null 2>&1 && echo "$1" && return
    done
}

feature() { ethtool -k eth0 | grep -q -E "^[[:space:]]*$1: on" && echo "$1 is on"; }

# All of these features, or nothing.
features()
{
    for name in "$@"; do
        feature "$name" >/dev/null || return
    done
    echo "on: $*"
}

# A web server of our own: 16 MiB, a small file, and the sum of a post. By the host's port all of it goes out and comes in.
serve_web()
{
    mkdir -p /tmp/www/cgi-bin
    dd if=/dev/urandom of=/tmp/www/data bs=64k count=256 2>/dev/null
    head -c 20000 /tmp/www/data >/tmp/www/small
    # shellcheck disable=SC2016 # for the server's shell
    printf '%s\n' '#!/bin/sh' 'printf "Content-Type: text/plain\r\n\r\n"' \
        'head -c "$CONTENT_LENGTH" | md5sum | cut -d" " -f1' >/tmp/www/cgi-bin/sum
    chmod +x /tmp/www/cgi-bin/sum
    busybox httpd -p 8000 -h /tmp/www
}

download()
{
    want=$(md5sum </tmp/www/data | cut -d' ' -f1)
    got=$(wget -q -O - "$web/data" | md5sum | cut -d' ' -f1)
    [ "$got" = "$want" ] && echo "16 MiB came with the sum $got"
}

upload()
{
    base64 /tmp/www/data >/tmp/up # wget sends text
    want=$(md5sum < /tmp/up | cut -d' ' -f1)
    got=$(wget -q -O - --post-file=/tmp/up "$web/cgi-bin/sum")
    [ "$got" = "$want" ] && echo "$(wc -c < /tmp/up) bytes went with the sum $got"
}

# Flows over all channels: each of them interrupts.
spread()
{
    for flow in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
        wget -q -O /dev/null "$web/small?$flow" &
    done
    wait
    counts=$(cat "$1"/channels/*/interrupts | tr '\n' ' ')
    case " $counts" in *' 0 '*) return ;; esac
    echo "interrupts of the channels: $counts"
}

report_network()
{
    wanted nic || return
    modprobe hv_netvsc 2>/dev/null
    modprobe af_packet 2>/dev/null
    device=$(readlink -f /sys/class/net/eth0/device)
    row DN01 "$(basename "$(readlink "$device/driver")" | grep hv_netvsc)" "$(dmesg | grep -i netvsc | tail -n 2)"
    row DN09 "$(cat /sys/class/net/eth0/address /sys/class/net/eth0/ifalias | tr '\n' ' ' | grep 00:15:5d)"
    dhcp_script
    row DN27 "$(lease | grep '^10.0.2.15$')" "$(tail -n 2 /tmp/dhcp.log)"
    row DN11 "$(features rx-checksumming tx-checksumming)" "$(ethtool -k eth0 | grep checksum | tr '\n' ' ')"
    row DN12 "$(features tx-tcp-segmentation tx-tcp6-segmentation)" "$(ethtool -k eth0 | grep segmentation | tr '\n' ' ')"
    row DN13 "$(feature large-receive-offload)"
    row DN16 "$(say_if "$(find /sys/class/net/eth0/queues -name 'rx-*' | wc -l)" "$(nproc)" "$(nproc) channels")" \
        "$(ls /sys/class/net/eth0/queues "$device/channels")"
    row DN16.ethtool "$(say_if "$(ethtool -l eth0 | awk '/^Combined/ { n = $2 } END { print n }')" "$(nproc)" \
        "ethtool -l: $(nproc) combined")" "$(ethtool -l eth0 2>&1 | tail -n 1)"
    [ "$(nproc)" -lt 2 ] || row DN15 "$(ethtool -x eth0 | grep -A 1 -m 1 'RX flow hash' | tail -n 1)"
    if [ "$(expected web)" ]; then
        web=http://10.0.2.2:$(expected web)
        serve_web
        row DN06 "$(download)" "$(wget -O - "$web/cgi-bin/sum" 2>&1 | tail -n 1)"
        row DN07 "$(upload)"
        [ "$(nproc)" -lt 2 ] || row DN16.flows "$(spread "$device")" "$(cat "$device"/channels/*/interrupts | tr '\n' ' ')"
    fi
    ip link set eth0 promisc on
    row DN22 "$(reachable 'promiscuous, and the router answers')"
    ip link set eth0 promisc off
    ip link set eth0 down
    ip link set eth0 address 02:00:00:00:ab:cd
    lease >/dev/null
    row DN10 "$(reachable "with the address $(cat /sys/class/net/eth0/address) the router answers")"
    ip link set eth0 mtu 1400
    row DN03 "$(reachable "with an MTU of $(cat /sys/class/net/eth0/mtu) the router answers")" "$(ip addr show eth0; ip route; dmesg | tail -n 2)"
}

# The host moves the cable when a pair asks for it: test/os/host.sh.
report_cable()
{
    { wanted nic && wanted services; } || return
    put cable-out yes
    row DN18.out "$(carrier 0 && echo "no carrier: $(cat /sys/class/net/eth0/operstate)")" "$(dmesg | tail -n 2)"
    put cable-in yes
    row DN18 "$(carrier 1 && reachable 'carrier, and the router answers')" "$(dmesg | tail -n 2)"
}
