#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# nested/qemu.sh - print the path of bookworm-backports' qemu-system-x86_64, for run.sh --qemu.
#
# Run by hand, to tell a fault of Debian 12's emulator from one of ours, and by tests that want
# the newer one. The packages are downloaded and unpacked into the cache with the libraries that
# they need, and not installed; the path is a wrapper that starts the unpacked qemu with those
# libraries. Trusts the cache.
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=image/lib.sh
. "$here/../image/lib.sh"

# Prints the packages to unpack: qemu, its data and firmware, and every library but none of the
# rest.
closure()
{
    private_apt apt-get -s -t bookworm-backports install --no-install-recommends qemu-system-x86 |
        sed -n 's/^Inst \([^ ]*\) .*/\1/p' | grep -E '^lib|^zlib1g$|^qemu-system-|^seabios$' |
        grep -vE '^lib(python|perl|pam|sqlite|semanage|.*-perl$)'
}

make_qemu()
{
    local dir=$1 names deb
    apt_lists
    names=$(closure)
    say "downloading qemu of bookworm-backports"
    mkdir "$dir/deb"
    # shellcheck disable=SC2086 # a list of words
    (cd "$dir/deb" && private_apt apt-get -qq -t bookworm-backports download $names >&2)
    for deb in "$dir"/deb/*.deb; do
        dpkg-deb -x "$deb" "$dir"
    done
    rm -rf "$dir/deb" "$dir/usr/share/doc"
    write_wrapper >"$dir/qemu-system-x86_64"
    chmod +x "$dir/qemu-system-x86_64"
}

# The loader of the unpacked libc starts it, since that libc and the machine's may differ.
write_wrapper()
{
    cat <<'END'
#!/bin/sh
dir=$(dirname "$(readlink -f "$0")")
lib=lib/x86_64-linux-gnu
export QEMU_MODULE_DIR="$dir/usr/$lib/qemu"
exec "$dir/$lib/ld-linux-x86-64.so.2" --library-path "$dir/$lib:$dir/usr/$lib" \
    "$dir/usr/bin/qemu-system-x86_64" -L "$dir/usr/share/qemu" -L "$dir/usr/share/seabios" "$@"
END
}

main()
{
    [ $# = 0 ] || die "usage: qemu.sh"
    need dpkg-deb
    cached qemu make_qemu
    printf '%s\n' "$CACHE/qemu/qemu-system-x86_64"
}

main "$@"
