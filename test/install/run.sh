#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/install/run.sh BUILD - "make install" to a staged directory, and what a stranger does with it, as TAP.
#
# Headers, archives, pkg-config files, command, manual and scripts land where they should; programs compile
# against the staged place alone; the scripts and the command find each other there. No guest is booted.
set -u -o pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
build=${1:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/stage

# verdict NAME COMMAND...: passes when the command succeeds; its output explains a failure.
verdict()
{
    local name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok - $name"
    else
        tail -n 20 "$work/output" | sed 's/^/# /'
        echo "not ok - $name"
    fi
}

skip()
{
    echo "ok - $1 # SKIP $2"
}

install_it()
{
    make -s install BUILD="$build" DESTDIR="$stage"
}

# Asks the staged pkg-config files, and answers with staged paths.
staged_pkg_config()
{
    PKG_CONFIG_PATH=$pc PKG_CONFIG_SYSROOT_DIR=$stage pkg-config "$@"
}

# exists FILE...: every one is there, under the stage.
exists()
{
    local file missing=0
    for file in "$@"; do
        [ -s "$stage$file" ] || { echo "$file is missing" && missing=1; }
    done
    return $missing
}

headers_land()
{
    local files
    mapfile -t files < <(git ls-files include/enlight | grep -v '^include/enlight/backend/')
    [ ${#files[@]} -gt 20 ] && exists "${files[@]/#/$prefix/}" && [ ! -e "$stage$prefix/include/enlight/backend" ]
}

# A thin archive would only point into the build tree.
archives_are_whole()
{
    local name
    for name in host kvm guest; do
        exists "$libdir/libenlight-$name.a" "$libdir/pkgconfig/libenlight-$name.pc" &&
            [ "$(head -c 7 "$stage$libdir/libenlight-$name.a")" = '!<arch>' ] || return 1
    done
}

# compile LIBRARY COMPILER...: a file with every staged header of the library, by pkg-config's flags alone.
compile()
{
    local library=$1 flags dir=$work/$1
    shift
    mkdir -p "$dir" && flags=$(staged_pkg_config --cflags "libenlight-$library") || return 1
    (cd "$stage$prefix/include" && find "enlight/$library" enlight/error.h -name '*.h') |
        sed 's/.*/#include <&>/' >"$dir/all.c"
    [ "$(wc -l <"$dir/all.c")" -gt 1 ] || return 1
    # shellcheck disable=SC2086 # flags are words
    (cd "$dir" && "$@" -Wall -Wextra -Werror $flags -c all.c -o all.o)
}

headers_compile()
{
    local library
    for library in host kvm guest; do
        compile $library gcc -std=c11 && compile $library clang -x c++ -std=c++17 || return 1
    done
}

# A kernel of one's own: no libc, the whole archive, nothing missing but what it must bring.
guest_links_freestanding()
{
    local flags
    flags=$(staged_pkg_config --libs libenlight-guest) || return 1
    # shellcheck disable=SC2086 # flags are words
    gcc -r -nostdlib -o "$work/guest.o" -Wl,--whole-archive $flags &&
        ! nm -u "$work/guest.o" | grep -v -E ' (memcpy|memmove|memset|memcmp)$'
}

example_builds()
{
    cp -r example/embed "$work/embed" && rm -f "$work"/embed/{tinyvm,dsdt.hex} || return 1
    PKG_CONFIG_PATH=$pc PKG_CONFIG_SYSROOT_DIR=$stage make -s -C "$work/embed" CFLAGS='-O1 -Werror' tinyvm || return 1
    "$work/embed/tinyvm" >"$work/usage" 2>&1 || true
    grep "usage: tinyvm" "$work/usage"
}

example_keeps_its_size()
{
    [ "$(cat example/embed/*.c | wc -l)" -le 600 ]
}

# A copy of the folder, and an image that a VMM can enter: one note, of Xen's type 18.
unikernel_builds()
{
    cp -r example/unikernel "$work/unikernel" || return 1
    PKG_CONFIG_PATH=$pc PKG_CONFIG_SYSROOT_DIR=$stage make -s -C "$work/unikernel" CFLAGS='-O1 -Werror' unikernel.elf ||
        return 1
    readelf -n "$work/unikernel/unikernel.elf" | grep -E 'Xen .*0x00000004'
}

# example_of PAGE: the program in its EXAMPLES.
example_of()
{
    sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "$1" | sed '1,/^\.Bd/d; /^\.Ed/d; s/\\e/\\/g'
}

host_manual_example_runs()
{
    local flags
    example_of "$manuals/man3/enlight-host.3" >"$work/monitor.c"
    flags=$(staged_pkg_config --cflags --libs libenlight-host) || return 1
    # shellcheck disable=SC2086 # flags are words
    gcc -Wall -Werror -o "$work/monitor" "$work/monitor.c" $flags && "$work/monitor" | tee "$work/said" &&
        grep -x 'Microsoft Hv' "$work/said" && grep -x 'the clock runs' "$work/said"
}

# Nothing is missing but the kernel's own console, and what any kernel must bring.
guest_manual_example_links()
{
    local flags
    example_of "$manuals/man3/enlight-guest.3" >"$work/kernel.c"
    flags=$(staged_pkg_config --cflags --libs libenlight-guest) || return 1
    # shellcheck disable=SC2086 # flags are words
    gcc -Wall -Werror -ffreestanding -fno-stack-protector -r -nostdlib -o "$work/kernel.o" "$work/kernel.c" $flags &&
        nm "$work/kernel.o" | grep ' T devices_list' &&
        ! nm -u "$work/kernel.o" | grep -v -E ' (memcpy|memmove|memset|memcmp|console)$'
}

command_runs()
{
    "$stage$prefix/bin/enlight" version | grep -E '^enlight [0-9]+\.[0-9]+'
}

# As the shell does it when somebody types the words and then a tab.
completion_knows_the_commands()
{
    bash -c '. "$1" && COMP_WORDS=(enlight ctl vm.sock device_) COMP_CWORD=3 && _enlight 2>/dev/null &&
        echo "${COMPREPLY[@]}" && COMP_WORDS=(enlight ctl --wait DEVICE) COMP_CWORD=3 && _enlight 2>/dev/null &&
        echo "${COMPREPLY[@]}" && COMP_WORDS=(enlight ctl vm.sock device_del i) COMP_CWORD=4 && _enlight 2>/dev/null
        echo "${COMPREPLY[@]}"' - "$stage$prefix/share/bash-completion/completions/enlight" >"$work/words"
    cat "$work/words"
    [ "$(tr '\n' ' ' <"$work/words")" = "device_add device_del DEVICE_DELETED id= " ]
}

manual_is_clean()
{
    local messages
    messages=$(mandoc -T lint "$manuals"/man*/enlight*.[1-9] 2>&1 | grep -v 'referenced manual not found') || true
    echo "$messages"
    [ -z "$messages" ]
}

# Each option and each key that --help shows is in the page, and the page has no placeholder left.
manual_has_every_option()
{
    local word
    ! grep -q '@[A-Z]*@' "$manuals"/man*/enlight*.[1-9] || return 1
    "$stage$prefix/bin/enlight" run --help | grep -oE '^ +(-., )?--[a-z-]+|^ {10}[a-z0-9-]+=' |
        sed -E 's/.*--/Fl -/; s/^ +(.*)=$/Cm \1/' >"$work/words"
    [ "$(wc -l <"$work/words")" -gt 15 ] || return 1
    while read -r word; do
        grep -q -F -e "$word" "$manual" || { echo "no '$word' in the manual" && return 1; }
    done <"$work/words"
}

# names: the first word of each line that --hv ? prints, up to the empty line.
manual_has_every_enlightenment()
{
    local name
    "$stage$prefix/bin/enlight" run --hv '?' | sed -n '1d; /^$/q; s/ .*//p' >"$work/names"
    [ "$(wc -l <"$work/names")" -gt 15 ] || return 1
    while read -r name; do
        grep -q -E "^\.It Cm (.* )?$name( .*)?\$" "$manual" || { echo "no '$name' in the manual" && return 1; }
    done <"$work/names"
}

# Each script finds image/lib.sh in the installed place: without it there is no usage line.
scripts_find_each_other()
{
    local script
    for script in image/run.sh image/initrd.sh image/rootfs.sh image/kernel.sh nested/run.sh; do
        "$stage$data/$script" </dev/null >"$work/usage" 2>&1 || true
        grep "usage: .*${script##*/}" "$work/usage" ||
            { cat "$work/usage" && return 1; }
    done
    exists "$data/nested/l1.sh" "$data/nested/init" "$data/image/initrd-init" "$data/image/rootfs/etc/inittab" \
        "$data"/test/os/guest/{report.sh,lib.sh,vdso.c}
}

# The same bytes and the same modes: a new mode of a file in image/rootfs would be one in the guest.
scripts_are_the_trees()
{
    local file
    while read -r file; do
        cmp "$file" "$stage$data/$file" &&
            [ "$(stat -c %A "$file" | cut -c4)" = "$(stat -c %A "$stage$data/$file" | cut -c4)" ] || return 1
    done < <(git ls-files nested image)
}

# The stage stands at its prefix. With no emulator on PATH the launcher says so: proof that it was found.
command_finds_the_nested_machine()
{
    local tool status=0
    mkdir -p "$work/bin"
    for tool in dirname readlink; do
        ln -sf "$(command -v $tool)" "$work/bin/$tool"
    done
    # shellcheck disable=SC2016 # for the inner shell
    unshare -rm sh -c 'mount --bind "$1$2" "$2" && PATH=$3 exec "$2/bin/enlight" run --accel nested --kernel "$4"' \
        - "$stage" "$prefix" "$work/bin" "$(readlink -f "$0")" >"$work/launch" 2>&1 </dev/null || status=$?
    cat "$work/launch"
    [ $status = 125 ] && grep -q '^run.sh: there is no qemu-system-x86_64' "$work/launch"
}

verdict make_install_succeeds install_it
pc=$(find "$stage" -name pkgconfig -type d)
[ -n "$pc" ] || exit 1
prefix=$(PKG_CONFIG_PATH=$pc pkg-config --variable=prefix libenlight-host)
libdir=$(PKG_CONFIG_PATH=$pc pkg-config --variable=libdir libenlight-host)
data=$prefix/share/enlight manuals=$stage$prefix/share/man manual=$stage$prefix/share/man/man1/enlight-run.1

verdict headers_land_where_they_should headers_land
verdict archives_are_whole_and_have_pkg_config_files archives_are_whole
verdict headers_compile_from_the_staged_place headers_compile
verdict guest_library_links_without_an_operating_system guest_links_freestanding
verdict example_builds_from_the_staged_place example_builds
verdict example_is_no_longer_than_it_says example_keeps_its_size
verdict unikernel_builds_from_the_staged_place unikernel_builds
verdict command_runs_from_the_staged_place command_runs
# shellcheck disable=SC2016 # for the inner shell
verdict completion_knows_the_commands completion_knows_the_commands
if command -v mandoc >/dev/null; then
    verdict manual_has_no_fault manual_is_clean
else
    skip manual_has_no_fault "mandoc is not installed"
fi
verdict manual_has_every_option manual_has_every_option
verdict manual_has_every_enlightenment manual_has_every_enlightenment
verdict host_manual_has_a_program_that_runs host_manual_example_runs
verdict guest_manual_has_a_kernel_that_links guest_manual_example_links
verdict scripts_find_each_other_where_they_are_installed scripts_find_each_other
verdict scripts_are_those_of_the_tree scripts_are_the_trees
if [ -d "$prefix" ] && [ "$prefix" != /usr ] && unshare -rm true 2>/dev/null; then
    verdict command_finds_the_nested_machine_where_it_is_installed command_finds_the_nested_machine
else
    skip command_finds_the_nested_machine_where_it_is_installed "no name space of one's own, or a prefix in use"
fi
