#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/disks.sh - several controllers and LUNs, a VHD, a read-only disk, a disk whose host is full.
#
# The host says with "enlight.sums=MD5" what the VHD's first 4 MiB are. Then waits for a shutdown request (DI04).
# shellcheck source=test/os/guest/lib.sh
. /run/enlight/lib.sh

# The disk of a SCSI address: controller (in the order of the host's offers), LUN.
disk_at()
{
    for path in /sys/class/scsi_disk/*; do
        case ${path##*/} in
        "$1":0:0:"$2") ls "$path/device/block" && return ;;
        esac
    done
}

# Controllers in the order of their SCSI host numbers, without gaps.
host_number()
{
    ls -d /sys/class/scsi_host/host* | sed 's/.*host//' | sort -n | sed -n "$(($1 + 1))p"
}

first=$(host_number 0) second=$(host_number 1)
vhd=$(disk_at "$first" 1) readonly=$(disk_at "$first" 2) full=$(disk_at "$second" 5)
sums=$(sed -n 's/.*enlight\.sums=\([^ ]*\).*/\1/p' /proc/cmdline)

row DS01 "$(say_if "$(ls -d /sys/class/scsi_host/host* | wc -l)" 2 'two controllers')"
row DS19.vhd "$(say_if "$(dd if="/dev/$vhd" bs=1M count=4 2>/dev/null | md5sum | cut -d' ' -f1)" "$sums" "VHD at $vhd: $sums")"
row DS19.size "$(say_if "$(cat "/sys/block/$vhd/size")" 16384 '8 MiB without the footer')"
row DS07.readonly "$(say_if "$(cat "/sys/block/$readonly/ro")" 1 "$readonly is write-protected")"
# Through the controller's own node: Linux opens a write-protected block device for reading only.
modprobe -q sg
generic=$(ls "/sys/block/$readonly/device/scsi_generic")
write_one() { sg_raw -s 512 -i /dev/zero "/dev/$generic" 2a 00 00 00 00 00 00 00 01 00 2>&1; }
row DS07.refused "$(write_one | grep -i -m 1 'protect')" "$(write_one)"
row DS07.full "$(dd if=/dev/zero of="/dev/$full" bs=64k count=256 oflag=direct 2>&1 | grep -m 1 -E 'error|space')"
row DS07.alive "$(dd if="/dev/$full" of=/dev/null bs=64k count=4 iflag=direct 2>&1 | grep -m 1 '4+0 records in')"
row DS14 "$(say_if "$(ls /sys/class/scsi_disk | wc -l)" 4 'four disks, no phantom')" "$(ls /sys/class/scsi_disk)"
finish
echo "waiting for a shutdown request"
sleep 120
