#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# example/unikernel/run.sh [--engine auto|kernel|user] [--cpus N] ENLIGHT UNIKERNEL [-- MORE...] - boot it, with a scratch disk
# and a port of this machine that leads to its page.
#
# What "make run-unikernel" calls. Exits 0 if every line of the unikernel's report is good. On a terminal it goes on until
# Ctrl-c, for somebody to look at the page; not so in the nested machine, where only programs in there can. Words after
# "--" go to "enlight run" as they are.
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

port=8080 where="in the nested machine" cmdline=disk=scratch
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    port=$((port + 1))
done
if grep -q -w -E 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
    where="here"
    [ ! -t 0 ] || cmdline="$cmdline until=shutdown" where="here, until Ctrl-c"
fi
echo "http://127.0.0.1:$port/ is the unikernel's page, $where"

work=$(mktemp -d "${TMPDIR:-/tmp}/enlight-unikernel.XXXXXX")
trap 'rm -rf "$work"' EXIT
truncate -s 16M "$work/scratch.raw"
"${words[0]}" run --engine "$engine" --cpus "$cpus" --memory 64M --kernel "${words[1]}" --cmdline "$cmdline" \
    --disk "path=$work/scratch.raw,format=raw" --nic "user,hostfwd=tcp:127.0.0.1:$port-:80" --console stdio "$@" \
    </dev/null | tee -i "$work/report" || exit $?
grep -q '^[1-9][0-9]* passed, 0 failed' "$work/report"
