#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# nested/l1.sh - make the initramfs of L1, the nested machine's own Linux, and print where it is.
#
# Called by run.sh; the result is cached under a key of this script, the init and the kernel.
# The directory holds initramfs (a cpio archive, not compressed: unpacking costs more than
# reading) and kernel, a link to the kernel's cache directory. The archive has busybox in /bb,
# Debian's modules for KVM on AMD, 9p and virtio in /modules, and links that make the machine's
# /usr, which L1 mounts at the same place, its own. Trusts the cache.
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=image/lib.sh
. "$here/../image/lib.sh"

modules='kvm_amd virtio_pci virtio_console 9pnet_virtio 9p virtio_blk loop ?crc32c_generic
    ?crc32c_intel ext4 overlay tun 8021q virtio_net'

make_l1()
{
    local kernel=$1 dir=$2 stage=$2/stage name
    mkdir -p "$stage"/{dev,proc,sys,run,tmp,usr,etc,var,root,job}
    for name in bin sbin lib lib32 lib64 libx32; do
        ln -s "usr/$name" "$stage/$name"
    done
    ln -s ../run "$stage/var/run"
    ln -s ../tmp "$stage/var/tmp"
    ln -s /proc/mounts "$stage/etc/mtab"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$stage/etc/passwd"
    echo 'root:x:0:' >"$stage/etc/group"
    copy_busybox "$stage/bb"
    # shellcheck disable=SC2086 # a list of words
    copy_modules "$kernel" "$stage/modules" $modules
    install -m 755 "$here/init" "$stage/init"
    pack_cpio "$stage" "$dir/initramfs"
    rm -rf "$stage"
    ln -s "$kernel" "$dir/kernel"
}

main()
{
    local kernel key
    need cpio xz
    kernel=$("$here/../image/kernel.sh" 6.1)
    key=l1/$(digest "$here/l1.sh" "$here/init" "$here/../image/lib.sh" "$kernel/version")
    cached "$key" make_l1 "$kernel"
    expire l1
    printf '%s\n' "$CACHE/$key"
}

main "$@"
