#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# image/kernel.sh 6.1|6.1-cloud|6.12 - print the cache directory of one of Debian's own kernels.
#
# Called by initrd.sh, rootfs.sh, nested/l1.sh and the tests. The first call downloads the
# package (with apt's signature check) and unpacks it without installing it; later calls only
# print. The directory holds
#   vmlinuz  config  System.map   as shipped
#   vmlinux                       the ELF inside vmlinuz, for a VMM that skips the decompressor
#   version                       uname -r
#   modules/lib/modules/VERSION   depmod done, so "modprobe -d DIR/modules" and modules.dep work
# 6.1 and 6.1-cloud are bookworm's linux-image-amd64 and linux-image-cloud-amd64, 6.12 is
# bookworm-backports'.
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=image/lib.sh
. "$here/lib.sh"

# Prints the real package behind meta package $1 in suite $2.
real_package()
{
    local name
    name=$(private_apt apt-cache -t "$2" depends "$1" |
        sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$name" ] || die "$2 has no package behind $1: remove $CACHE/apt to read the lists again"
    printf '%s\n' "$name"
}

# A little-endian integer of $3 bytes at offset $2 of file $1.
peek()
{
    od -An -v -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '
}

# Unpacks the ELF kernel in bzImage $1 to $2: boot protocol fields setup_sects, payload_offset,
# payload_length.
unpack_bzimage()
{
    local start length magic
    start=$((($(peek "$1" 0x1f1 1) + 1) * 512 + $(peek "$1" 0x248 4)))
    # The last 4 bytes are the unpacked size, not part of the compressed stream.
    length=$(($(peek "$1" 0x24c 4) - 4))
    magic=$(peek "$1" "$start" 4)
    tail -c +$((start + 1)) "$1" | head -c "$length" >"$2.packed" || [ -s "$2.packed" ]
    case $magic in
    1484404733) xz -dc --single-stream <"$2.packed" >"$2" ;;
    4247762216) zstd -qdc <"$2.packed" >"$2" ;;
    407642370) lz4 -qdc <"$2.packed" >"$2" ;;
    *) die "the kernel $1 is packed in a format other than xz, zstd and lz4 (magic $magic)" ;;
    esac
    rm "$2.packed"
}

make_kernel()
{
    local meta=$1 suite=$2 dir=$3 package version
    apt_lists
    package=$(real_package "$meta" "$suite")
    version=${package#linux-image-}
    unpack_deb "$package" "$suite" "$dir/all"
    printf '%s\n' "$version" >"$dir/version"
    mkdir -p "$dir/modules/lib/modules"
    say "unpacking the kernel $version"
    mv "$dir/all/lib/modules/$version" "$dir/modules/lib/modules/"
    for file in vmlinuz config System.map; do
        mv "$dir/all/boot/$file-$version" "$dir/$file"
    done
    rm -rf "$dir/all" "${CACHE:?}/deb/$suite/$package"
    unpack_bzimage "$dir/vmlinuz" "$dir/vmlinux"
    depmod -b "$dir/modules" "$version"
}

main()
{
    local meta suite=bookworm
    case ${1-} in
    6.1) meta=linux-image-amd64 ;;
    6.1-cloud) meta=linux-image-cloud-amd64 ;;
    6.12) meta=linux-image-amd64 suite=bookworm-backports ;;
    *) die "usage: kernel.sh 6.1|6.1-cloud|6.12" ;;
    esac
    need dpkg-deb depmod xz zstd lz4
    cached "kernel/$1" make_kernel "$meta" "$suite"
    printf '%s\n' "$CACHE/kernel/$1"
}

main "$@"
