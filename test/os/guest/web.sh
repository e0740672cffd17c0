#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/web.sh - a web server in the guest, for test/os/nested_forward.sh.
modprobe hv_netvsc
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2 # the one who asks is on another network
mkdir -p /tmp/web
echo 'this comes from the guest' > /tmp/web/index.html
busybox httpd -p 80 -h /tmp/web && echo 'web: up'
sleep 600
