#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/bench/run.sh [--rounds N] [--seconds S] [--qemu PATH] [--only disk|net] ENLIGHT - side by side with QEMU's virtio.
#
# What "make bench" calls: in one boot of the nested machine (or directly on hardware) the same Debian kernel,
# alternating between Enlight and QEMU: a RAM-backed raw disk (synthetic SCSI; virtio-blk with an iothread, cache=none,
# aio=io_uring), and a user-mode network and a tap (synthetic NIC; virtio-net). Prints a table of medians, and
# the ratio of the two in each round. Times under emulation are noise: look at ratios, exits and interrupts.
set -u -o pipefail
here=$(dirname "$(readlink -f "$0")")
tree=$(readlink -f "$here/../..")
rounds=3 seconds=4 qemu=/usr/bin/qemu-system-x86_64 parts='disk net' enlight=''
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=$2 && shift ;;
    --seconds) seconds=$2 && shift ;;
    --qemu) qemu=$2 && shift ;;
    --only) parts=$2 && shift ;;
    *) enlight=$(readlink -f "$1") ;;
    esac
    shift
done
[ -x "$enlight" ] || { echo "usage: run.sh [--rounds N] [--seconds S] [--only disk|net] ENLIGHT" >&2; exit 64; }

work=$(mktemp -d "${TMPDIR:-/tmp}/enlight-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
kernel=$("$tree/image/kernel.sh" 6.1) || exit 1
cp "$kernel/vmlinux" "$work/vmlinux" && cp "$kernel/vmlinuz" "$work/vmlinuz"
"$tree/image/initrd.sh" "$kernel" --modules virtio_pci,virtio_blk,virtio_mmio \
    --script "$tree/test/os/guest/bench.sh" --script "$tree/test/os/guest/lib.sh" "$work/initrd" || exit 1
gcc -O2 -static -o "$work/traffic" "$here/traffic.c" || exit 1
"$tree/image/initrd.sh" "$kernel" --bare --modules virtio_pci,virtio_net,hv_vmbus,hv_netvsc \
    --script "$tree/test/os/guest/bench-net.sh" --script "$work/traffic" "$work/initrd-net" || exit 1
"$tree/image/rootfs.sh" 6.1 "$work/root.raw" || exit 1
cp "$(find "$kernel/modules" -name brd.ko)" "$work/brd.ko" || exit 1

if grep -q -w -E 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
    "$here/compare.sh" "$enlight" "$qemu" "$work" "$rounds" "$seconds" "$parts"
else
    echo "run.sh: no hardware virtualization: measuring in the nested machine" >&2
    "$tree/nested/run.sh" --cpus 2 --memory 4096 --timeout 3000 --share "$tree" --share "$(dirname "$enlight")" \
        --file "$work/vmlinux" --file "$work/vmlinuz" --file "$work/initrd" --file "$work/root.raw" \
        --file "$work/brd.ko" --file "$work/initrd-net" --file "$work/traffic" -- \
        "$here/compare.sh" "$enlight" "$qemu" "$work" "$rounds" "$seconds" "$parts"
fi
