#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# example/embed/guest.sh - what try.sh runs in the guest: is VMBus there, can the disk be read and written?
dmesg | grep -E 'hv_vmbus|hv_utils|Hypervisor detected' | cut -c1-100
n=0
while [ ! -b /dev/sda ] && [ "$n" -lt 100 ]; do
    sleep 0.1
    n=$((n + 1))
done
head -n 1 /dev/sda
dd if=/dev/urandom of=/tmp/random bs=64k count=32 2>/dev/null
dd if=/tmp/random of=/dev/sda bs=64k seek=16 2>/dev/null
sync
echo 3 >/proc/sys/vm/drop_caches
if dd if=/dev/sda bs=64k skip=16 count=32 2>/dev/null | cmp - /tmp/random; then
    echo "guest: 2 MiB written and read back"
fi
sleep 3 # a heartbeat comes every two seconds
