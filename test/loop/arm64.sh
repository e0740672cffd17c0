#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/loop/arm64.sh BUILD [SEEDS] - both halves in one process, as arm64 code under an emulator, as TAP.
#
# Builds the libraries and the loop tests for arm64 in BUILD/arm64 (test/loop/arm64.ini says with what) and runs
# each test with SEEDS seeds in all, 10 when not told: fewer than on this machine's own processor, because what
# differs here is the code and not the schedules. The emulator runs them as processes: no kernel is booted.
set -u -o pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
build=${1:-build}/arm64
seeds=${2:-10}
emulator=(qemu-aarch64-static -L /usr/aarch64-linux-gnu)

build_it()
{
    [ -f "$build/build.ninja" ] || meson setup --cross-file test/loop/arm64.ini "$build" >/dev/null || return 1
    ninja -C "$build" --quiet >"$build/ninja.log" 2>&1 || { sed 's/^/# /' "$build/ninja.log" && return 1; }
}

# A program that died has failed, whatever it printed before.
run_one()
{
    local log=$build/${1##*/}.tap status
    timeout 300 "${emulator[@]}" "$1" --seeds "$seeds" >"$log" 2>&1
    status=$?
    sed -E '/^(not )?ok - arm64_/!s/^((not )?ok - )/\1arm64_/' "$log"
    if [ $status -ne 0 ] && ! grep -q -a '^not ok' "$log"; then
        echo "not ok - arm64_${1##*/} ended with status $status"
    fi
}

for tool in aarch64-linux-gnu-gcc "${emulator[0]}"; do
    if ! command -v "$tool" >/dev/null; then
        echo "ok - arm64 # SKIP $tool is not installed"
        exit 0
    fi
done
if ! build_it; then
    echo "not ok - arm64_builds"
    exit 1
fi
echo "ok - arm64_builds"
# loop_again starts itself, which needs a kernel that knows the emulator; it is about the runner and no processor.
for exe in "$build"/test/loop_*; do
    [ -d "$exe" ] || [ "${exe##*/}" = loop_again ] || run_one "$exe"
done
