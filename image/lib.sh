# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# image/lib.sh - what the image and nested scripts share: messages, the cache, Debian packages.
#
# Sourced, never run. The cache is ${ENLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/enlight}; an
# entry appears there whole or not at all (made beside its place, then renamed), and a lock per
# entry lets several runs share it. Packages come from Debian through apt with a state directory
# and a source list of our own under the cache, so the machine's apt configuration is neither
# used for sources nor changed; apt checks the signatures against the machine's Debian keyring.
# Remove an entry, or the cache, to have it made again.

set -eu -o pipefail
shopt -s inherit_errexit

ENLIGHT_DEBIAN_MIRROR=${ENLIGHT_DEBIAN_MIRROR:-http://deb.debian.org/debian}
ENLIGHT_SECURITY_MIRROR=${ENLIGHT_SECURITY_MIRROR:-http://deb.debian.org/debian-security}
CACHE=${ENLIGHT_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or ENLIGHT_CACHE}/.cache}/enlight}
PATH=$PATH:/usr/sbin:/sbin

# The progress line of anything that takes longer than a second.
say()
{
    printf '%s\n' "${0##*/}: $*" >&2
}

die()
{
    say "$*"
    exit 1
}

# Exits unless every command named is there.
need()
{
    local cmd
    for cmd in "$@"; do
        command -v "$cmd" >/dev/null ||
            die "the command '$cmd' is missing: run nested/deps.sh build run"
    done
}

# Makes the cache entry $1 by calling "$2... DIR" on an empty DIR, unless it is there already.
# The caller must not put it into a condition: that would switch off "set -e" inside.
cached()
{
    local entry=$CACHE/$1 lock
    shift
    lock=${entry%/*}/.${entry##*/}.lock
    if [ -e "$entry" ]; then
        touch -c "$entry"
        return 0
    fi
    mkdir -p "${entry%/*}" ||
        die "cannot write the cache $CACHE: set ENLIGHT_CACHE to a directory of yours"
    (
        trap '[ -e "$entry" ] || say "could not make $entry: see the lines above"' EXIT
        flock 9
        [ ! -e "$entry" ] || exit 0
        rm -rf "$entry.part"
        mkdir "$entry.part"
        "$@" "$entry.part"
        mv "$entry.part" "$entry"
    ) 9>"$lock"
}

# Removes what is under $1 of the cache and was not used for a week: entries whose key is out of
# date.
expire()
{
    find "$CACHE/$1" -mindepth 1 -maxdepth 1 -type d -mtime +7 -exec rm -rf {} + 2>/dev/null || true
}

# A short digest of the files and strings given, for the keys of cache entries.
digest()
{
    local arg
    for arg in "$@"; do
        if [ -f "$arg" ]; then cat "$arg"; else printf '%s\0' "$arg"; fi
    done | sha256sum | cut -c1-12
}

# apt-get and apt-cache on our own sources and state.
private_apt()
{
    local cmd=$1 state=$CACHE/apt
    shift
    "$cmd" -q -o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State="$state" -o Dir::State::Status="$state/status" -o Dir::Cache="$state/cache" \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o APT::Update::Post-Invoke-Success::= -o APT::Sandbox::User=root \
        -o APT::Architecture=amd64 \
        -o Acquire::Languages=none -o Acquire::Retries=3 -o Debug::NoLocking=1 "$@"
}

make_apt_state()
{
    local dir=$1 key=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    : >"$dir/status"
    : >"$dir/stamp"
    {
        for suite in bookworm bookworm-updates bookworm-backports; do
            echo "deb [arch=amd64 signed-by=$key] $ENLIGHT_DEBIAN_MIRROR $suite main"
        done
        echo "deb [arch=amd64 signed-by=$key] $ENLIGHT_SECURITY_MIRROR bookworm-security main"
    } >"$dir/sources.list"
    say "reading Debian's package lists"
    # The state is still at its working name while it is being made.
    private_apt apt-get -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::State="$dir" \
        -o Dir::State::Status="$dir/status" -o Dir::Cache="$dir/cache" update >&2 ||
        die "cannot read Debian's package lists: check the network and the apt proxy"
}

# Makes the package lists, or reads them again when they are older than a day: mirrors drop old
# versions.
apt_lists()
{
    cached apt make_apt_state
    if [ -n "$(find "$CACHE/apt/stamp" -mtime +0)" ]; then
        say "reading Debian's package lists again"
        if private_apt apt-get -qq update >&2; then : >"$CACHE/apt/stamp"; fi
    fi
}

# Prints the path of the .deb of package $1 (suite $2: bookworm unless told), downloading it
# when it is new.
fetch_deb()
{
    local name=$1 suite=${2:-bookworm} entry
    entry=deb/$suite/$name
    cached "$entry" download_deb "$name" "$suite"
    printf '%s\n' "$CACHE/$entry"/*.deb
}

download_deb()
{
    local name=$1 suite=$2 dir=$3
    apt_lists
    say "downloading $name ($suite)"
    (cd "$dir" && private_apt apt-get -t "$suite" download "$name" >&2) ||
        die "cannot download $name from $suite: check the network, or remove $CACHE/apt"
}

# Unpacks package $1 (suite $2) into directory $3.
unpack_deb()
{
    local deb
    deb=$(fetch_deb "$1" "$2")
    dpkg-deb -x "$deb" "$3"
}

# Prints the directory of a static busybox: bin/busybox in it.
busybox_dir()
{
    cached busybox unpack_deb busybox-static bookworm
    printf '%s\n' "$CACHE/busybox"
}

# Copies busybox into directory $1, with a link for each of its commands.
copy_busybox()
{
    local src name
    src=$(busybox_dir)/bin/busybox
    mkdir -p "$1"
    cp "$src" "$1/busybox"
    "$src" --list | while read -r name; do
        [ "$name" = busybox ] || ln -s busybox "$1/$name"
    done
}

# Prints the files of kernel $1 (a directory of kernel.sh) that hold the modules named and what
# they depend on, relative to the module directory and in the order to insert them. A built-in
# module prints nothing; one that the kernel does not have is an error, unless its name is
# preceded by "?".
module_files()
{
    local dir
    dir=$1/modules/lib/modules/$(cat "$1/version")
    shift
    printf '%s\n' "$@" | awk -v dir="$dir" '
        function name(path) {
            sub(/.*\//, "", path)
            sub(/\.ko.*/, "", path)
            gsub(/-/, "_", path)
            return path
        }
        BEGIN {
            while ((getline line < (dir "/modules.dep")) > 0) {
                split(line, part, ": *")
                file[name(part[1])] = part[1]
                deps[part[1]] = part[2]
            }
            while ((getline line < (dir "/modules.builtin")) > 0)
                builtin[name(line)] = 1
        }
        function put(path) { if (!done[path]++) print path }
        {
            optional = sub(/^\?/, "")
            key = name($0)
            if (key in file) {
                n = split(deps[file[key]], dep, " ")
                for (i = n; i > 0; i--)
                    put(dep[i])
                put(file[key])
            } else if (!(key in builtin) && !optional) {
                print "the kernel has no module " $0 > "/dev/stderr"
                exit 1
            }
        }'
}

# Copies those modules into directory $2, unpacked, and writes their names in order to $2/order.
copy_modules()
{
    local kernel=$1 to=$2 base file files
    base=$kernel/modules/lib/modules/$(cat "$kernel/version")
    shift 2
    mkdir -p "$to"
    files=$(module_files "$kernel" "$@")
    for file in $files; do
        case $file in
        *.xz) xz -dc "$base/$file" >"$to/$(basename "$file" .xz)" ;;
        *) cp "$base/$file" "$to/" ;;
        esac
        basename "$file" .xz
    done >"$to/order"
}

# Writes directory $1 as a cpio archive to file $2.
pack_cpio()
{
    (cd "$1" && find . -mindepth 1 | LC_ALL=C sort |
        cpio -o -H newc -R 0:0 --quiet --reproducible) >"$2"
}
