#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/kill.sh - write and flush file after file, telling each on the console, until the host kills us.
n=0
while [ $n -lt 10000 ]; do
    n=$((n + 1))
    dd if=/dev/zero bs=4k count=4 2>/dev/null | tr '\000' "$((n % 10))" > "/root/file$n"
    sync
    echo "synced $n"
done
