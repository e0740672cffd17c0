#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/kill-after.sh - after kill.sh and a kill of the VMM: the journal replays, every synced file is whole.
# shellcheck source=test/os/guest/lib.sh
. /run/enlight/lib.sh

whole=0
while [ $whole -lt 40 ]; do
    next=$((whole + 1))
    [ "$(tr -d "$((next % 10))" < "/root/file$next" | wc -c)" = 0 ] || break
    [ "$(wc -c < "/root/file$next")" = 16384 ] || break
    whole=$next
done
row DS09.flush "$(say_if $whole 40 '40 synced files are whole')" "$whole of 40 synced files are whole"
row DS09.journal "$(dmesg | grep -m 1 -o -E 'recovery complete|mounted filesystem.*')"
finish
