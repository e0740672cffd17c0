# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/lib.sh - what the scripts in the guest share: rows, counts, and what this boot must show.
#
# Sourced by the others from /run/enlight, where the initramfs carried them. "enlight.expect=WORDS" on the kernel
# command line (comma-separated) says what this boot must show beside the usual. A row is "ok ROW what was seen"
# or "not ok ROW what was seen"; finish() prints "N passed, N failed". Row ids are those of doc/spec-map.md.
passed=0 failed=0
expect=,$(sed -n 's/.*enlight\.expect=\([^ ]*\).*/\1/p' /proc/cmdline),

wanted()
{
    case $expect in *,$1,*) return 0 ;; esac
    return 1
}

# expected WORD: what follows "WORD-" in the expectations.
expected() { echo "$expect" | sed -n "s/.*,$1-\([^,]*\),.*/\1/p"; }

# row ROW TEXT [OTHERWISE]: the row holds when TEXT is not empty.
row()
{
    if [ -n "$2" ]; then
        passed=$((passed + 1))
        echo "ok $1 $2"
    else
        failed=$((failed + 1))
        echo "not ok $1 ${3:-nothing seen}"
    fi
}

finish()
{
    echo "$passed passed, $failed failed"
}

log_line() { dmesg | grep -m 1 -o "$1.*"; }

say_if() { [ "$1" = "$2" ] && echo "$3"; }

# eth0's carrier becomes $1 within half a minute.
carrier()
{
    for _ in $(seq 60); do
        [ "$(cat /sys/class/net/eth0/carrier)" = "$1" ] && return
        sleep 0.5
    done
    return 1
}

# The kernel and the initramfs for kexec travel as a tar archive on the disk with serial "kexec".
unpack_kexec()
{
    mkdir -p /tmp/next
    for disk in /sys/block/sd*; do
        if tar -tf "/dev/${disk##*/}" 2>/dev/null | grep -q bzImage; then
            tar -xf "/dev/${disk##*/}" -C /tmp/next && return 0
        fi
    done
    return 1
}
