#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# nested/run.sh [OPTIONS] -- COMMAND [ARGS...] - run a command beside a real KVM, by emulation.
#
# Used by "enlight run --accel nested", "make run" and the tests on a machine without hardware
# virtualization. Boots L1, a Debian kernel in a machine that qemu emulates with AMD's SVM, runs
# COMMAND there as root and exits with its status. L1 sees this machine's /usr and each --share
# read-only at their own paths. Details, options and figures: doc/nested.md. Trusts the command:
# it runs as the user who runs this script would let qemu read files, and can write nothing here
# but the --disk images. Exit status: COMMAND's; 124 the time-out ended L1; 125 L1 gave no
# status, or could not be started.
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=image/lib.sh
. "$here/../image/lib.sh"

cpus=2 memory=2048 qemu=qemu-system-x86_64 timeout=0 interactive='' keep='' address=10.0.4.15
files=() disks=() shares=() settings=() forwards=() command=()
socket_here='' socket_there='' relay_pid='' pulse_pid=''
work='' qemu_pid='' qemu_status=0 tail_pid='' stty_saved='' passed=''

usage()
{
    cat >&2 <<'END'
usage: nested/run.sh [OPTIONS] -- COMMAND [ARGS...]
  --cpus N           CPUs of L1 (2; take 1 for guests with several CPUs)
  --memory MiB       memory of L1 (2048)
  --qemu PATH        the emulator (qemu-system-x86_64)
  --file SRC[:DST]   a copy of a file, in L1's memory: quicker to read than a share
  --disk PATH[,ro]   a raw image as /dev/vda, /dev/vdb ... in L1
  --share DIR[:DST]  a directory, read-only, at its own path or at DST
  --env K=V          an environment variable
  --timeout S        end L1 after S seconds, with status 124
  --socket HERE:THERE  the UNIX socket that COMMAND, which is enlight, makes at THERE
  --forward PROTO:ADDRESS:PORT  a port of this machine that leads to the same port of L1
  --interactive      COMMAND has this terminal
  --log FILE         keep L1's kernel messages here
END
    exit 125
}

refuse()
{
    say "$*"
    exit 125
}

parse()
{
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        [ "$1" = --interactive ] || [ $# -gt 1 ] || usage
        case $1 in
        --cpus) cpus=$2 ;;
        --memory) memory=$2 ;;
        --qemu) qemu=$2 ;;
        --file) files+=("$2") ;;
        --disk) disks+=("$2") ;;
        --share) shares+=("$2") ;;
        --env) settings+=("$2") ;;
        --timeout) timeout=$2 ;;
        --socket) socket_here=${2%:*} socket_there=${2##*:} ;;
        --forward) forwards+=("$2") ;;
        --log) keep=$2 ;;
        --interactive) interactive=1 && set -- "" "$@" ;;
        *) usage ;;
        esac
        shift 2
    done
    [ $# -gt 1 ] || usage
    shift
    command=("$@")
}

check()
{
    local path
    case $cpus$memory$timeout in
    *[!0-9]*) refuse "--cpus, --memory and --timeout take whole numbers" ;;
    esac
    command -v "$qemu" >/dev/null ||
        refuse "there is no $qemu: run nested/deps.sh run, or give --qemu PATH"
    for path in ${files[@]+"${files[@]}"}; do
        [ -r "${path%%:*}" ] || refuse "cannot read the file ${path%%:*}"
    done
    check_room
    for path in ${disks[@]+"${disks[@]}"}; do
        [ -r "${path%,ro}" ] || refuse "cannot read the disk ${path%,ro}"
    done
    for path in ${shares[@]+"${shares[@]}"}; do
        [ -d "${path%%:*}" ] || refuse "there is no directory ${path%%:*} to share"
    done
}

# The files are in memory twice while the kernel unpacks them, and may fill half of it.
check_room()
{
    local path total=0
    for path in ${files[@]+"${files[@]}"}; do
        total=$((total + $(stat -L -c %s "${path%%:*}") / 1048576))
    done
    [ $((total * 2 + 128)) -le "$memory" ] ||
        refuse "$total MiB of --file do not fit: give --memory $((total * 2 + 1024)) or take --disk"
}

# Prints the arguments as words that any shell reads back.
quote()
{
    local word
    for word in "$@"; do
        printf " '%s'" "${word//\'/\'\\\'\'}"
    done
}

# True if directory $1 is shared anyway, or is one of which L1 must have its own.
is_there()
{
    local known
    case $1 in / | /tmp | /run | /dev | /proc | /sys | /etc) return 0 ;; esac
    for known in /usr ${shares[@]+"${shares[@]#*:}"}; do
        case $1/ in "$known"/*) return 0 ;; esac
    done
    return 1
}

# The tree and the working directory are always shared.
add_shares()
{
    local dir
    for dir in "$(readlink -f "$here/..")" "$PWD"; do
        is_there "$dir" || shares+=("$dir")
    done
}

# Writes the script that init runs, and places the files beside it.
write_job()
{
    local stage=$1 n=0 entry src dst rows=24 cols=80
    mkdir -p "$stage/job"
    {
        echo "share usr /usr"
        for entry in "${shares[@]}"; do
            echo "share share$n$(quote "${entry#*:}")"
            n=$((n + 1))
        done
        for entry in ${files[@]+"${files[@]}"}; do
            src=${entry%%:*} dst=${entry#*:}
            [ "$dst" != "$src" ] || dst=$(readlink -f "$src")
            ln -s "$(readlink -f "$src")" "$stage/job/file$n"
            echo "place /job/file$n$(quote "$dst")"
            n=$((n + 1))
        done
        for entry in ${settings[@]+"${settings[@]}"}; do
            echo "setting$(quote "${entry%%=*}" "${entry#*=}")"
        done
        if [ -n "$interactive" ]; then
            read -r rows cols < <(stty size 2>/dev/null </dev/tty || echo 24 80)
            echo "interactive $rows $cols"
            echo "setting TERM$(quote "${TERM:-linux}")"
        fi
        [ ${#forwards[@]} -eq 0 ] || echo "network $address"
        [ -z "$socket_here" ] || echo "carry$(quote "${command[0]}" "$socket_there")"
        echo "run$(quote "$PWD" "${command[@]}")"
    } >"$stage/job/job"
}

# The dynamic linker's cache and the alternatives: /usr alone does not hold them.
copy_etc()
{
    mkdir -p "$1/etc"
    cp -a /etc/ld.so.cache "$1/etc/"
    [ ! -d /etc/alternatives ] || cp -a /etc/alternatives "$1/etc/"
}

write_initramfs()
{
    local l1=$1 stage=$work/stage
    mkdir "$stage"
    write_job "$stage"
    copy_etc "$stage"
    # -L for the files; the links of /etc stay links, in an archive of their own.
    (cd "$stage" && find job | cpio -o -L -H newc -R 0:0 --quiet) >"$work/job.cpio"
    (cd "$stage" && find etc | cpio -o -H newc -R 0:0 --quiet) >"$work/etc.cpio"
    cat "$l1/initramfs" "$work/job.cpio" "$work/etc.cpio" >"$work/initramfs"
    rm "$work/job.cpio" "$work/etc.cpio"
}

# L1's own network has nothing on it but the ports that lead in.
add_network()
{
    local entry options=user,id=net,restrict=on,net=${address%.*}.0/24
    [ ${#forwards[@]} -gt 0 ] || return 0
    for entry in "${forwards[@]}"; do
        options=$options,hostfwd=$entry-$address:${entry##*:}
    done
    machine+=(-netdev "$options" -device "virtio-net-pci,netdev=net,romfile=")
}

# Fills the array "machine" with qemu's arguments.
describe_machine()
{
    local l1=$1 n=0 entry share=security_model=none,readonly=on,multidevs=remap options
    machine=(-nodefaults -no-user-config -display none -no-reboot
        -machine "q35,hpet=off,smbus=off,sata=off,usb=off" -accel "tcg,thread=multi" -cpu max
        -smp "$cpus" -m "$memory"
        -kernel "$l1/kernel/vmlinux" -initrd "$work/initramfs"
        -append "console=ttyS0 quiet mitigations=off tsc=reliable panic=-1 ${ENLIGHT_L1_CMDLINE-}"
        -serial "file:$work/log"
        -device "virtio-serial-pci,ioeventfd=off"
        -chardev "file,id=status,path=$work/status"
        -device "virtserialport,chardev=status,name=status"
        -chardev "pipe,id=signals,path=$work/signals"
        -device "virtserialport,chardev=signals,name=signals")
    if [ -n "$interactive" ]; then
        machine+=(-chardev "stdio,id=term,signal=off,mux=off" -device "virtconsole,chardev=term")
    else
        machine+=(-chardev "file,id=out,path=$work/out"
            -device "virtserialport,chardev=out,name=out")
    fi
    if [ -n "$socket_here" ]; then
        machine+=(-chardev "socket,id=socket,path=$work/socket,server=on,wait=off"
            -device "virtserialport,chardev=socket,name=socket")
    fi
    add_network
    machine+=(-virtfs "local,path=/usr,mount_tag=usr,$share")
    for entry in "${shares[@]}"; do
        machine+=(-virtfs "local,path=${entry%%:*},mount_tag=share$n,$share")
        n=$((n + 1))
    done
    # cache=unsafe: an image is lost only if this machine crashes, not if L1 or qemu does. The physical
    # block is that of a file, so that a guest in L1 sees the same disk as one here.
    for entry in ${disks[@]+"${disks[@]}"}; do
        options=if=none,format=raw,cache=unsafe,discard=unmap
        [ "$entry" = "${entry%,ro}" ] || options=$options,readonly=on
        machine+=(-drive "$options,id=disk$n,file=${entry%,ro}"
            -device "virtio-blk-pci,drive=disk$n,physical_block_size=4096")
        n=$((n + 1))
    done
}

# shellcheck disable=SC2317 # called by clean_up
stop()
{
    [ -z "$1" ] || kill "$1" 2>/dev/null || true
}

# shellcheck disable=SC2317 # called by the trap
clean_up()
{
    trap '' INT TERM HUP
    stop "$qemu_pid"
    stop "$tail_pid"
    stop "$relay_pid"
    stop "$pulse_pid"
    wait 2>/dev/null || true
    [ -z "$stty_saved" ] || stty "$stty_saved" <&3 || true
    [ -z "$keep" ] || [ ! -e "$work/log" ] || cp "$work/log" "$keep"
    rm -rf "$work"
}

# shellcheck disable=SC2317 # called by the traps
end_with() { exit "$1"; }

# Passes signal $1 on to COMMAND; init reads it when COMMAND is there. The next one ends L1.
# shellcheck disable=SC2317 # called by the traps
pass()
{
    passed=1
    trap 'end_with 130' INT
    trap 'end_with 143' TERM
    echo "$1" >&4
}

# A pipe that is open for both directions holds what is written before qemu reads it.
prepare_signals()
{
    mkfifo "$work/signals.in" "$work/signals.out"
    exec 4<>"$work/signals.in"
    trap 'pass INT' INT
    trap 'pass TERM' TERM
}

# An empty line each second, which is no signal, but an interrupt for L1. The emulated SVM sets and clears its virtual
# interrupt in the word that another thread sets L1's timer interrupt in, without a lock; one that is lost so comes when
# the next one does, which in an L1 that sleeps, or whose guest spins, would be never.
start_pulse()
{
    # shellcheck disable=SC2016 # for the inner shell
    setpriv --pdeathsig TERM sh -c 'while sleep 1; do echo; done' >&4 2>/dev/null 3<&- 4>&- &
    pulse_pid=$!
}

# A trapped signal ends bash's wait, not qemu.
wait_for_machine()
{
    while passed='' && { wait "$qemu_pid" && qemu_status=0 || qemu_status=$?; } && [ -n "$passed" ]; do
        :
    done
}

start_machine()
{
    : >"$work/out"
    if [ -n "$interactive" ] && [ -t 3 ]; then
        stty_saved=$(stty -g <&3)
        stty raw -echo <&3
    fi
    # timeout and qemu die with this script, however it ends; a time-out of 0 is none. A session
    # of their own: Ctrl-c is for this script.
    setsid setpriv --pdeathsig TERM timeout --foreground -k 10 "$timeout" \
        setpriv --pdeathsig KILL "$qemu" "${machine[@]}" <&3 2>"$work/errors" &
    qemu_pid=$!
    if [ -n "$socket_here" ]; then
        "${command[0]}" relay outside "$socket_here" "$work/socket" 3<&- 4>&- &
        relay_pid=$!
    fi
    if [ -z "$interactive" ]; then
        tail -q -s 0.1 -c +1 --pid="$qemu_pid" -f "$work/out" &
        tail_pid=$!
    fi
}

# Says how L1 ended and returns the status to exit with.
verdict()
{
    local status=''
    [ ! -s "$work/status" ] || read -r status <"$work/status"
    if [ -n "$status" ]; then
        return "$status"
    fi
    if [ "$qemu_status" = 124 ] || [ "$qemu_status" = 137 ]; then
        status=124
        say "no end after $timeout s; the last lines of L1's log and qemu's errors:"
    else
        status=125
        say "L1 ended without giving a status; the last lines of its log and qemu's errors:"
    fi
    tail -q -n 40 "$work/log" "$work/errors" >&2 2>/dev/null || true
    return $status
}

main()
{
    local l1 status=0
    parse "$@"
    check
    l1=$("$here/l1.sh") || exit 125
    work=$(mktemp -d)
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    exec 3<&0
    add_shares
    write_initramfs "$l1"
    describe_machine "$l1"
    prepare_signals
    start_pulse
    start_machine
    wait_for_machine
    qemu_pid=''
    [ -z "$tail_pid" ] || wait "$tail_pid" || true
    tail_pid=''
    # The stream has ended, and so does the relay, with the last that came through; or qemu never made it.
    stop "$relay_pid"
    [ -z "$relay_pid" ] || wait "$relay_pid" || true
    relay_pid=''
    verdict || status=$?
    exit "$status"
}

main "$@"
