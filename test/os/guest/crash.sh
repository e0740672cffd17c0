#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/crash.sh - panic, with the text for the host (M21 to M23, X04 to X06).
# shellcheck source=test/os/guest/lib.sh
. /run/enlight/lib.sh

row X06 "$(log_line 'enabling crash_kexec_post_notifiers')"
sysctl -q -w kernel.hyperv_record_panic_msg=1 2>/dev/null
sync
echo "enlight: this text is for the host" > /dev/kmsg
echo c > /proc/sysrq-trigger
