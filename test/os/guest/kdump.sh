#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/kdump.sh - load a crash kernel, then panic; it goes on with kdump-save.sh (X02, X03, X16).
# shellcheck source=test/os/guest/lib.sh
. /run/enlight/lib.sh

line=$(sed 's/enlight\.script=[^ ]*/enlight.script=kdump-save.sh reset_devices maxcpus=1/; s/crashkernel=[^ ]*//' \
    /proc/cmdline)
row X02.load "$(unpack_kexec && kexec -p /tmp/next/bzImage --initrd=/tmp/next/initrd \
    --command-line="$line" 2>/tmp/kexec.err && echo 'the crash kernel is loaded')" "$(cat /tmp/kexec.err)"
sync
[ $failed -eq 0 ] || { finish; exit; }
echo c > /proc/sysrq-trigger
