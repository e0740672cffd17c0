#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/kexec.sh - start another kernel without a reset (X01); it goes on with kexec-after.sh.
#
# Everything that this kernel shares with its host must be revoked: the next one connects anew.
# shellcheck source=test/os/guest/lib.sh
. /run/enlight/lib.sh

line=$(sed 's/enlight\.script=[^ ]*/enlight.script=kexec-after.sh/' /proc/cmdline)
row X01.load "$(unpack_kexec && kexec -l /tmp/next/bzImage --initrd=/tmp/next/initrd \
    --command-line="$line" 2>/tmp/kexec.err && echo 'the next kernel is loaded')" "$(cat /tmp/kexec.err)"
date +%s > /root/kexec-mark
sync
mount -o remount,ro /
[ $failed -eq 0 ] || { finish; exit; }
kexec -e
