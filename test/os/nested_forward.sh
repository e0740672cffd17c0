#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/nested_forward.sh ENLIGHT WORK - a port of this machine leads to a guest in the nested machine, as TAP.
#
# Run by test/os/run.sh, not in the nested machine: "enlight run" starts one of its own, as for a user. WORK/6.1 has a
# kernel, an initramfs and a root disk.
set -u
enlight=$1 work=$2
log=$work/nested-forward port=$((20000 + RANDOM % 10000))

cp --sparse=always "$work/6.1/root.raw" "$work/nested.raw"
"$enlight" run --accel nested --kernel "$work/6.1/vmlinuz" --initrd "$work/6.1/initrd" --memory 256M \
    --cmdline "console=ttyS0 quiet root=LABEL=enlight rw enlight.script=web.sh" --disk "path=$work/nested.raw" \
    --nic "user,hostfwd=tcp:127.0.0.1:$port-:80" </dev/null >"$log" 2>"$log.err" &
pid=$!
for ((i = 0; i < 1200; i++)); do
    ! grep -q -a '^web: up' "$log" || break
    sleep 0.2
done
answer=$(curl -s --retry 5 --retry-all-errors --max-time 30 "http://127.0.0.1:$port/")
kill -TERM "$pid"
sleep 1
kill -TERM "$pid"
wait "$pid"
if [ "$answer" = 'this comes from the guest' ]; then
    echo "ok - nested-forward: DN27 port $port of this machine leads to the guest: $answer"
    exit 0
fi
tail -n 15 "$log" "$log.err" | sed 's/^/# /'
echo "not ok - nested-forward: DN27 '$answer' came from port $port"
exit 1
