#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/kexec-after.sh - what the kernel after kexec -e finds: a connection and its disk (X01, V39).
# shellcheck source=test/os/guest/lib.sh
. /run/enlight/lib.sh

row X01.connect "$(log_line 'Vmbus version:')"
row X01.disk "$(mount -o remount,rw / 2>/dev/null; cat /root/kexec-mark 2>/dev/null | sed 's/^/the mark of the first kernel: /')"
row X01.write "$(dd if=/dev/urandom of=/root/after bs=64k count=32 conv=fsync 2>/dev/null && ls -l /root/after)"
row X01.heartbeat "$(log_line 'Heartbeat IC version')"
row S02 "$(ls /sys/bus/vmbus/devices | wc -l | sed 's/$/ devices after the second load/')"
finish
