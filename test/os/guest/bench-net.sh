#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/bench-net.sh - the guest's part of test/bench: traffic on two networks, one job after the other.
#
# Runs in the initramfs, with no disk. "enlight.bench=SECONDS" on the kernel command line; which NIC stands on what
# is said by its address. Prints "begin JOB" and "end JOB RATE COUNT" so that the host can count its exits in between.
seconds=$(sed -n 's/.*enlight\.bench=\([^ ]*\).*/\1/p' /proc/cmdline)

# The host reads its counters when it hears that a job has ended, the last one too.
trap 'sleep 1' EXIT

# up ADDRESS-OF-NIC IP
up()
{
    name=$(grep -l "$1" /sys/class/net/*/address | cut -d/ -f5)
    ip link set "$name" up
    ip addr add "$2/24" dev "$name"
}

# One packet before the work: addresses are known then, and the link is up.
jobs()
{
    ping -c 1 -w 20 "$2" >/dev/null
    for job in tcp-send tcp-receive tcp-rr udp-send udp-receive; do
        echo "begin $1-$job"
        echo "end $1-$job $(/enlight/traffic "$job" "$2" 5001 "$seconds")"
    done
}

up 00:15:5d:00:00:01 10.0.2.15
up 00:15:5d:00:00:02 10.0.3.15
echo "begin settle"
sleep 1
echo "end settle 0 0"
jobs user 10.0.2.2
jobs tap 10.0.3.2
