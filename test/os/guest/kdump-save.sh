#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/kdump-save.sh - in the crash kernel: save the core to the synthetic disk (X02).
# shellcheck source=test/os/guest/lib.sh
. /run/enlight/lib.sh

row X02.connect "$(log_line 'Vmbus version:')"
row X02.core "$(dd if=/proc/vmcore of=/root/vmcore bs=1M count=64 conv=fsync 2>/dev/null
    [ "$(head -c 4 /root/vmcore | tail -c 3)" = ELF ] && ls -l /root/vmcore)"
row X03 "$(dmesg | grep -q 'Waiting for VMBus UNLOAD' || echo 'no wait for the UNLOAD response')"
row X16 "$(say_if "$(nproc)" 1 'one CPU, reset_devices')"
finish
