#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/journal.sh - work for a journal on a disk that the host records, file after file made safe.
#
# The disk has a file system labelled "recorded" in its first 16 MiB; behind it, a write to sector N says that file N
# is safe from here on, in the trace itself. In between, much that is not synced. Then waits for a shutdown request.
# shellcheck source=test/os/guest/lib.sh
. /run/enlight/lib.sh

files=24
mkdir -p /tmp/recorded
mount LABEL=recorded /tmp/recorded || exit
device=$(awk '$2 == "/tmp/recorded" { print $1 }' /proc/mounts)

# Unsynced: new data, directories made and removed, files renamed over others.
disturb()
{
    dd if=/dev/urandom of="/tmp/recorded/noise$(($1 % 4))" bs=4k count=$(($1 % 7 + 1)) 2>/dev/null
    [ $(($1 % 3)) = 0 ] || return
    mkdir "/tmp/recorded/dir$1"
    mv /tmp/recorded/noise* "/tmp/recorded/dir$1"
    rm -rf "/tmp/recorded/dir$(($1 - 6))"
}

# File N holds the numbers from N to 40 N: the host knows them, too.
n=0
while [ $n -lt $files ]; do
    n=$((n + 1))
    disturb $n
    seq $n $((40 * n)) >/tmp/next
    dd if=/tmp/next of=/tmp/recorded/part bs=4k conv=fsync 2>/dev/null
    mv /tmp/recorded/part "/tmp/recorded/file$n"
    sync "/tmp/recorded/file$n"
    dd if=/dev/zero of="$device" bs=512 count=1 seek=$((32768 + n)) oflag=direct conv=notrunc 2>/dev/null || break
    [ $n != 12 ] || fstrim /tmp/recorded
done
row DS09.work "$(say_if $n $files "$n files made safe one by one")" "stopped at file $n"
umount /tmp/recorded
finish
echo "waiting for a shutdown request"
sleep 120
