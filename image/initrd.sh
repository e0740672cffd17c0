#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# image/initrd.sh KERNEL [--modules LIST] [--init FILE] [--script FILE]... [--add SRC:DST]... OUT
#
# Makes the initramfs of a guest: busybox, the modules of VMBus disks and ext4, and
# image/initrd-init, which mounts root= and switches to it. KERNEL is a directory of kernel.sh,
# or a name that kernel.sh takes.
#   --modules LIST  more modules, comma-separated, inserted after the usual ones; "?name" may be
#                   absent
#   --bare          none of the usual modules
#   --init FILE     this file is /init instead
#   --script FILE   a script that "enlight.script=NAME" on the kernel command line can name; the
#                   root file system has it in /run/enlight, so that no image changes for a script
#   --add SRC:DST   any other file
# No udev and no modprobe: the modules are inserted in the order found here. The archive is not
# compressed (in a guest of the nested machine 6 MB unpack in 0.11 s, as zstd in 0.2-1.4 s).
# Everything in it is Debian's or the caller's; the guest trusts it.
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=image/lib.sh
. "$here/lib.sh"

# crc32c, crct10dif and crc64-rocksoft are asked for by name at run time, so no dependency shows
# them.
usual='?crc32c_generic ?crc32c_intel ?crct10dif_generic ?crct10dif_pclmul ?crc64_rocksoft_generic
    hv_vmbus hv_storvsc sd_mod ext4'
more='' bare='' init=$here/initrd-init out=''
add=()

usage()
{
    die "usage: initrd.sh KERNEL [--modules LIST] [--bare] [--init FILE] [--script FILE]..." \
        "[--add SRC:DST]... OUT"
}

parse()
{
    [ $# -ge 2 ] || usage
    kernel=$1
    shift
    while [ $# -gt 1 ]; do
        case $1 in
        --modules) more="$more ${2//,/ }" && shift ;;
        --bare) bare=1 ;;
        --init) init=$2 && shift ;;
        --script) add+=("$2:/enlight/$(basename "$2")") && shift ;;
        --add) add+=("$2") && shift ;;
        *) usage ;;
        esac
        shift
    done
    [ $# = 1 ] || usage
    out=$1
}

copy_added()
{
    local pair
    for pair in ${add[@]+"${add[@]}"}; do
        [ -r "${pair%%:*}" ] || die "cannot read ${pair%%:*}"
        install -D -m 755 "${pair%%:*}" "$1/${pair#*:}"
    done
}

main()
{
    local stage modules
    parse "$@"
    need cpio xz
    [ -d "$kernel" ] || kernel=$("$here/kernel.sh" "$kernel")
    [ -r "$init" ] || die "cannot read $init"
    stage=$(mktemp -d)
    # shellcheck disable=SC2064 # expand now
    trap "rm -rf '$stage'" EXIT
    modules="$more"
    [ -n "$bare" ] || modules="$usual $more"
    mkdir -p "$stage"/{dev,proc,sys,run,tmp,root,etc,enlight}
    ln -s bin "$stage/sbin"
    copy_busybox "$stage/bin"
    # shellcheck disable=SC2086 # a list of words
    copy_modules "$kernel" "$stage/modules" $modules
    install -m 755 "$init" "$stage/init"
    copy_added "$stage"
    pack_cpio "$stage" "$out.part"
    mv "$out.part" "$out"
}

main "$@"
