#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# image/rootfs.sh KERNEL [OUT.raw] - make a guest's root disk, a sparse ext4 image, from Debian.
#
# Called by "make run", the tests and the benchmarks. KERNEL is a name that kernel.sh takes.
# Without OUT.raw it prints the path of the cached image, which nobody may write to; with it, it
# makes a copy. The image has busybox (init as PID 1), the files of image/rootfs, the kernel's
# Hyper-V drivers, /boot/{vmlinuz,initrd} for kexec, and what the tests need from packages: fio,
# kexec, rdmsr, sg_*, fstrim, mke2fs, hv_kvp_daemon and hv_vss_daemon with their libraries. Needs neither root nor a loop device:
# mke2fs fills it from a directory. Scripts do not belong here but in the initramfs (initrd.sh
# --script), so that the image is made once per kernel.
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=image/lib.sh
. "$here/lib.sh"

size=512M
packages='coreutils dash ethtool fio msr-tools util-linux kexec-tools e2fsprogs sg3-utils hyperv-daemons'
programs='bin/cp bin/dash bin/findmnt bin/lsblk sbin/blkdiscard sbin/blockdev sbin/dumpe2fs
    sbin/e2fsck sbin/ethtool sbin/fstrim sbin/kexec sbin/mke2fs usr/bin/fio usr/bin/lscpu
    usr/bin/sg_get_lba_status usr/bin/sg_inq usr/bin/sg_logs usr/bin/sg_luns usr/bin/sg_modes
    usr/bin/sg_opcodes usr/bin/sg_raw usr/bin/sg_readcap usr/bin/sg_reset usr/bin/sg_sync
    usr/bin/sg_turs usr/bin/sg_unmap usr/bin/sg_vpd usr/bin/sg_write_same usr/bin/taskset
    usr/sbin/hv_kvp_daemon usr/sbin/hv_vss_daemon usr/sbin/rdmsr usr/sbin/wrmsr'
modules='af_packet ?8021q hv_vmbus hv_storvsc hv_utils hv_balloon hv_netvsc ?netconsole hid_hyperv hyperv_keyboard ?hyperv_drm
    ?hyperv_fb hv_sock ?pci_hyperv uio_hv_generic msr sd_mod ?sg ext4 loop overlay ?crc32c_generic
    ?crc32c_intel ?crct10dif_generic ?crct10dif_pclmul ?crc64_rocksoft_generic'

# Prints the packages that $packages need: themselves, and of the rest only libraries, for their
# programs run alone.
closure()
{
    # shellcheck disable=SC2086 # a list of words
    private_apt apt-get -s -t bookworm install --no-install-recommends $packages |
        sed -n 's/^Inst \([^ ]*\) .*/\1/p' |
        grep -E "^lib|^zlib1g$|^(${packages// /|})$" |
        grep -vE '^lib(python|perl|pam|sqlite|semanage|.*-perl$)'
}

make_programs()
{
    local dir=$1 names
    apt_lists
    names=$(closure)
    say "downloading the packages of the guest's root file system"
    mkdir "$dir/deb" "$dir/all"
    # shellcheck disable=SC2086 # a list of words
    (cd "$dir/deb" && private_apt apt-get -qq -t bookworm download $names >&2)
    for deb in "$dir"/deb/*.deb; do
        dpkg-deb -x "$deb" "$dir/all"
    done
    copy_programs "$dir/all" "$dir/root"
    rm -rf "$dir/deb" "$dir/all"
}

# Copies each of $programs from $1 to $2, under usr, and the libraries that its own loader finds
# for it.
copy_programs()
{
    local all=$1 root=$2 file lib dirs loader=lib64/ld-linux-x86-64.so.2
    dirs=$all/lib/x86_64-linux-gnu:$all/usr/lib/x86_64-linux-gnu:$all/usr/lib/x86_64-linux-gnu/ceph
    for file in $programs; do
        install -D -m 755 "$all/$file" "$root/usr/${file#usr/}"
        "$all/lib/x86_64-linux-gnu/${loader##*/}" --library-path "$dirs" --list "$all/$file"
    done | sed -n "s|.* => $all/\([^ ]*\) .*|\1|p" | sort -u | while read -r lib; do
        install -D -m 755 "$all/$lib" "$root/usr/${lib#usr/}"
    done
    install -D -m 755 "$all/lib/x86_64-linux-gnu/${loader##*/}" "$root/usr/$loader"
    ln -s mke2fs "$root/usr/sbin/mkfs.ext4"
    ln -s e2fsck "$root/usr/sbin/fsck.ext4"
    install -D -m 644 "$all/etc/mke2fs.conf" "$root/etc/mke2fs.conf"
}

fill_modules()
{
    local kernel=$1 stage=$2 version to
    version=$(cat "$kernel/version")
    to=$stage/usr/lib/modules/$version
    # shellcheck disable=SC2086 # a list of words
    copy_modules "$kernel" "$to" $modules
    rm "$to/order"
    : >"$to/modules.order"
    cp "$kernel/modules/lib/modules/$version"/modules.{builtin,builtin.modinfo} "$to/"
    depmod -b "$stage" "$version"
}

fill_root()
{
    local kernel=$1 stage=$2 name programs_dir=$3
    mkdir -p "$stage"/{boot,dev,proc,sys,run,tmp,root,mnt,etc,var/lib/hyperv}
    mkdir -p "$stage"/usr/{bin,sbin,lib,lib64,lib/enlight}
    for name in bin sbin lib lib64; do
        ln -s "usr/$name" "$stage/$name"
    done
    ln -s ../run "$stage/var/run"
    ln -s ../tmp "$stage/var/tmp"
    copy_busybox "$stage/usr/bin"
    # A real program takes the place of busybox's, wherever that was.
    find "$programs_dir"/usr/{sbin,bin} -mindepth 1 -printf '%f\n' | while read -r name; do
        rm -f "$stage/usr/bin/$name"
    done
    # Scripts get dash: busybox's shell takes its own program of a name before the real one.
    ln -sf dash "$stage/usr/bin/sh"
    cp -a "$programs_dir/." "$here/rootfs/." "$stage/"
    for name in init poweroff reboot halt modprobe; do
        ln -s ../bin/busybox "$stage/usr/sbin/$name"
    done
    ln -s /proc/mounts "$stage/etc/mtab"
    echo 'root::0:0:root:/root:/bin/sh' >"$stage/etc/passwd"
    echo 'root:x:0:' >"$stage/etc/group"
    cp "$kernel/vmlinuz" "$stage/boot/vmlinuz"
    "$here/initrd.sh" "$kernel" "$stage/boot/initrd"
    fill_modules "$kernel" "$stage"
}

# As somebody else than root, a user name space makes the files root's in the image too.
as_owner()
{
    if [ "$(id -u)" != 0 ] && unshare -r true 2>/dev/null; then
        unshare -r "$@"
    else
        "$@"
    fi
}

make_rootfs()
{
    local kernel=$1 programs_dir=$2 dir=$3
    say "making the root file system for $(cat "$kernel/version")"
    fill_root "$kernel" "$dir/stage" "$programs_dir"
    truncate -s "$size" "$dir/root.raw"
    # Everything is written now, so that the guest's kernel has no tables to zero meanwhile.
    as_owner mke2fs -q -F -t ext4 -L enlight -m 0 -J size=8 \
        -E root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0 -d "$dir/stage" "$dir/root.raw"
    fallocate -d "$dir/root.raw"
    chmod 444 "$dir/root.raw"
    rm -rf "$dir/stage"
}

# Prints a digest of the files of the tree that make the image.
inputs()
{
    cd "$here"
    find lib.sh initrd.sh initrd-init rootfs.sh rootfs -type f -print0 | sort -z |
        xargs -0 sha256sum | sha256sum | cut -c1-12
}

main()
{
    local kernel programs_key key
    [ $# = 1 ] || [ $# = 2 ] || die "usage: rootfs.sh KERNEL [OUT.raw]"
    need cpio depmod dpkg-deb mke2fs xz
    kernel=$("$here/kernel.sh" "$1")
    programs_key=programs/$(digest "$packages" "$programs")
    cached "$programs_key" make_programs
    key=rootfs/$1-$(inputs)
    cached "$key" make_rootfs "$kernel" "$CACHE/$programs_key/root"
    expire rootfs
    if [ $# = 1 ]; then
        printf '%s\n' "$CACHE/$key/root.raw"
    else
        cp --sparse=always --reflink=auto "$CACHE/$key/root.raw" "$2"
        chmod 644 "$2"
    fi
}

main "$@"
