#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# example/unikernel/run.sh [--engine auto|kernel|user] [--cpus N] ENLIGHT UNIKERNEL [-- MORE...] - boot it, with a scratch disk.
#
# What "make run-unikernel" calls. Exits 0 if every line of the unikernel's report is good. Words after "--" go to
# "enlight run" as they are.
set -u -o pipefail
engine=auto cpus=2 words=()
while [ $# -gt 0 ]; do
    case $1 in
    --engine) engine=$2 && shift ;;
    --cpus) cpus=$2 && shift ;;
    --) shift && break ;;
    *) words+=("$1") ;;
    esac
    shift
done
if [ ${#words[@]} -ne 2 ]; then
    echo "usage: run.sh [--engine E] [--cpus N] ENLIGHT UNIKERNEL [-- MORE]" >&2
    exit 64
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/enlight-unikernel.XXXXXX")
trap 'rm -rf "$work"' EXIT
truncate -s 16M "$work/scratch.raw"
"${words[0]}" run --engine "$engine" --cpus "$cpus" --memory 64M --kernel "${words[1]}" --cmdline disk=scratch \
    --disk "path=$work/scratch.raw,format=raw" --console stdio "$@" </dev/null | tee "$work/report" || exit $?
grep -q '^[1-9][0-9]* passed, 0 failed' "$work/report"
