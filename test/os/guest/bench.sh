#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/bench.sh - the guest's part of test/bench: fio on the data disk, one job after the other.
#
# "enlight.bench=SECTORS:SECONDS" on the kernel command line: the disk is the one of that size, since its name may
# differ from boot to boot. Prints "begin JOB" and "end JOB IOPS COUNT" so that the host can count its exits in between.
# With 0 seconds a plain read instead, for a guest too small for fio.
settings=$(sed -n 's/.*enlight\.bench=\([^ ]*\).*/\1/p' /proc/cmdline)
sectors=${settings%%:*} seconds=${settings#*:}
disk=$(grep -l -x "$sectors" /sys/block/[sv]d*/size | sed -n '1s,^/sys/block/\(.*\)/size$,/dev/\1,p')

# The host reads its counters when it hears that a job has ended, the last one too.
trap 'sleep 1' EXIT

job()
{
    name=$1
    shift
    echo "begin $name"
    iops=$(fio --name=j --filename="$disk" --direct=1 --ioengine=libaio --time_based --runtime="$seconds" \
        --minimal --randrepeat=1 "$@" 2>/dev/null | awk -F';' '{ print int($8 + $49) }')
    echo "end $name ${iops:-0} $((${iops:-0} * seconds))"
}

echo "begin settle"
sleep 1
echo "end settle 0"
if [ "$seconds" = 0 ]; then
    echo "begin read"
    dd if="$disk" of=/dev/null bs=64k count=1024 iflag=direct 2>/dev/null
    echo "end read 0"
    exit
fi
job randread-1 --rw=randread --bs=4k --iodepth=1
job randwrite-1 --rw=randwrite --bs=4k --iodepth=1
job randread-32 --rw=randread --bs=4k --iodepth=32
job randwrite-32 --rw=randwrite --bs=4k --iodepth=32
job seqread-1M --rw=read --bs=1M --iodepth=4
