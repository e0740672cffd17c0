#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# nested/deps.sh [build|run|check|bench]... - install the Debian packages that a task lacks.
#
# Called by the Makefile before each verb, and by hand on a new machine. With everything
# installed it asks dpkg once and changes nothing; otherwise it runs apt-get update and apt-get
# install, as root or with sudo. Without a task it means build and run. Trusts the machine's own
# apt sources. Exit status: 0 all there, 1 something could not be installed.
set -eu -o pipefail

build='gcc libc6-dev make meson ninja-build pkg-config acpica-tools liburing-dev libcmocka-dev
    zlib1g-dev liblzma-dev libzstd-dev liblz4-dev libjansson-dev libslirp-dev libglib2.0-dev'
run='qemu-system-x86 busybox-static cpio e2fsprogs zstd xz-utils lz4 kmod'
# libclang-rt-14-dev is what holds libFuzzer and the sanitizers of Debian 12's clang.
check='clang lld libclang-rt-14-dev g++ mandoc spin valgrind gcovr shellcheck clang-format clang-tidy
    curl procps python3 gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static'
bench='fio qemu-system-x86'

die()
{
    echo "deps.sh: $*" >&2
    exit 1
}

packages_of()
{
    case $1 in
    build) echo "$build" ;;
    run) echo "$run" ;;
    check) echo "$check" ;;
    bench) echo "$bench" ;;
    *) die "unknown task '$1': use build, run, check or bench" ;;
    esac
}

# Prints those of the packages given that are not installed.
missing()
{
    local have
    have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^installed //p') || true
    printf '%s\n' "$@" | sort -u | grep -vxF -e "$have" || true
}

as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "packages are missing and there is no sudo: run as root: apt-get install $lacking"
    fi
}

apt()
{
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >&2
}

main()
{
    local task wanted=''
    [ $# -gt 0 ] || set -- build run
    for task in "$@"; do
        wanted="$wanted $(packages_of "$task")" || exit 1
    done
    # shellcheck disable=SC2086 # lists of words
    lacking=$(missing $wanted | tr '\n' ' ')
    [ -n "$lacking" ] || return 0
    echo "deps.sh: installing $lacking" >&2
    apt update || die "apt-get update failed: check the network and /etc/apt"
    # shellcheck disable=SC2086 # a list of words
    apt install -y --no-install-recommends $lacking || die "could not install: $lacking"
}

main "$@"
