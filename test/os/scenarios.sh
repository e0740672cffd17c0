#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/scenarios.sh ENLIGHT WORK SCENARIO... - boot Debian's kernels and say in TAP what they showed.
#
# Runs where KVM works; test/os/run.sh calls it, in the nested machine if need be, where $roots names the device of
# each kernel's root image ("6.1=/dev/vda ..."). A scenario is a word:
#   report:KERNEL:ENGINE:CPUS[:HV]   the guest's report, every row of it
#   kexec:KERNEL:ENGINE   crash:KERNEL:ENGINE   kdump:KERNEL:ENGINE:CPUS   disks:KERNEL:ENGINE
#   sweep:KERNEL:ENGINE   kill:KERNEL:ENGINE    sanitizer:KERNEL:ENGINE    command-line
#   net:KERNEL:ENGINE     services:KERNEL:ENGINE      control:KERNEL:ENGINE:CPUS[:ROUNDS]
set -u
enlight=$1 work=$2
shift 2
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=test/os/lib.sh
. "$here/lib.sh"
mkdir -p "$work/logs"

report()
{
    local kernel=$1 engine=$2 cpus=$3 hv=${4:-linux} expect=nic,services,web-8000 boot_seconds=$((boot_seconds * ($3 > 2 ? 2 : 1)))
    [ "$cpus" -lt 2 ] || expect=$expect,cpus2
    [ "$engine" != kernel ] || expect=$expect,kernel-engine
    case $hv in *tsc-invariant*) expect=$expect,tsc ;; esac
    case $hv in *version-id-build=*) expect=$expect,build-${hv##*version-id-build=} ;; esac
    case ,$hv, in *,-stimer,*) expect=$expect,no-stimer ;; *,-stimer-direct,*) expect=$expect,message-timer ;; esac
    fresh_root "$kernel"
    busybox ip link set lo up
    rm -f "$work/control.sock"
    "$here/host.sh" "$enlight" "$work/control.sock" &
    boot "report-$kernel-$engine-$cpus${4:+-$4}" "$kernel" --initrd "$work/$kernel/initrd" --engine "$engine" \
        --cpus "$cpus" --hv "$hv" --memory 512M --cmdline "$(line report.sh "$expect")" \
        --disk "path=$work/scratch.raw" --nic user,hostfwd=tcp:127.0.0.1:8000-:8000 --control "$work/control.sock"
    kill "$!" 2>/dev/null
    rows
    ended "$name" 0
}

# A network name space of its own, with the tap device tap0 and VLAN 5 on it; sets within, to enter it.
make_space()
{
    unshare --net --map-root-user sleep infinity &
    space=$!
    while ! [ /proc/$space/exe -ef "$(command -v sleep)" ]; do
        sleep 0.1
    done
    within=(nsenter --target "$space" --user --net --preserve-credentials)
    "${within[@]}" busybox sh -c 'busybox tunctl -t tap0 && ip link set tap0 mtu 9000 up && ip addr add 10.0.3.2/24 dev tap0 &&
        ip link add link tap0 name tap0.5 type vlan id 5 && ip link set tap0.5 mtu 1500 up &&
        ip addr add 10.0.5.2/24 dev tap0.5' >&2
}

# Does what the guest asks for with its lines "cable: out" and "cable: in".
move_cable()
{
    wait_for_line "$boot_seconds" '^cable: out' && "$enlight" ctl "$1" set_link name=net0 up=off &&
        wait_for_line "$boot_seconds" '^cable: in' && "$enlight" ctl "$1" set_link name=net0 up=on
}

net()
{
    local socket=$work/net.sock frames=$work/frames.pcap
    fresh_root "$1"
    make_space || echo "not ok - net-$1-$2: no tap device in a name space of its own"
    rm -f "$socket"
    log=$work/logs/net-$1-$2
    : >"$log"
    move_cable "$socket" >"$work/cable" 2>&1 &
    boot "net-$1-$2" "$1" --initrd "$work/$1/initrd" --engine "$2" --memory 512M --control "$socket" \
        --cmdline "$(line tap.sh '')" --disk "path=$work/scratch.raw" --nic "tap=tap0,mtu=9000,pcap=$frames"
    kill "$space" %%
    wait 2>/dev/null
    within=()
    rows
    ended "$name" 0
    od -An -v -tx1 "$frames" | tr -d ' \n' | grep -q 8100600508004500
    verdict "$name" $? "DN14 frames leave with the tag of VLAN 5 and priority 3"
    grep -q -a 'this line goes over the network' "$frames"
    verdict "$name" $? "DN25 the kernel's line is on the network"
}

kexec()
{
    fresh_root "$1"
    kexec_disk "$1"
    boot "kexec-$1-$2" "$1" --initrd "$work/$1/initrd" --engine "$2" --memory 768M --vmbus offer-seed=7 \
        --cmdline "$(line kexec.sh '')" --disk "path=$work/scratch.raw" --disk "path=$work/kexec.raw,readonly=on"
    rows
    ended "$name" 0
}

crash()
{
    fresh_root "$1"
    boot "crash-$1-$2" "$1" --initrd "$work/$1/initrd" --engine "$2" --memory 512M \
        --cmdline "$(line crash.sh '')" --disk "path=$work/scratch.raw"
    ended "$name" 34
    grep -q 'P0 0x' "$log.err"
    verdict "$name" $? "X04 $(grep -m 1 -o 'P0 0x.*' "$log.err")"
    grep -q 'this text is for the host' "$log.err"
    verdict "$name" $? "X05 the panic text reached the host"
}

kdump()
{
    fresh_root "$1"
    kexec_disk "$1"
    boot "kdump-$1-$2-$3" "$1" --initrd "$work/$1/initrd" --engine "$2" --cpus "$3" --memory 768M \
        --on-crash continue --cmdline "$(line kdump.sh '' crashkernel=256M)" \
        --disk "path=$work/scratch.raw" --disk "path=$work/kexec.raw,readonly=on"
    rows
    ended "$name" 0
}

# A fixed VHD of 8 MiB of random bytes: the footer as the format's specification has it.
make_vhd()
{
    head -c 8388608 /dev/urandom >"$1"
    sums=$(head -c 4194304 "$1" | md5sum | cut -d' ' -f1)
    python3 - "$1" <<'END'
import struct, sys
size = 8 << 20
footer = bytearray(512)
struct.pack_into(">8sIIQI4sI4sQQHBBI", footer, 0, b"conectix", 2, 0x10000, 0xFFFFFFFFFFFFFFFF, 0,
                 b"enl ", 0x10000, b"Wi2k", size, size, 240, 4, 17, 2)
struct.pack_into(">I", footer, 64, ~sum(footer) & 0xFFFFFFFF)
open(sys.argv[1], "ab").write(footer)
END
}

disks()
{
    local sums
    fresh_root "$1"
    make_vhd "$work/disk.vhd"
    truncate -s 1M "$work/readonly.raw"
    mkdir -p "$work/small" && mount -t tmpfs -o size=1M tmpfs "$work/small"
    truncate -s 64M "$work/small/full.raw"
    log=$work/logs/disks-$1-$2
    (wait_for_line "$boot_seconds" 'waiting for a shutdown request' && sleep 3 &&
        pkill -TERM -f "^$enlight run .*$work/disk.vhd") &
    boot "disks-$1-$2" "$1" --initrd "$work/$1/initrd" --engine "$2" --memory 512M --log-level info \
        --cmdline "$(line disks.sh '' "enlight.sums=$sums")" --disk "path=$work/scratch.raw" \
        --disk "path=$work/disk.vhd,format=vhd,lun=1" --disk "path=$work/readonly.raw,readonly=on,lun=2" \
        --disk "path=$work/small/full.raw,controller=1,lun=5"
    umount "$work/small"
    rows
    ended "$name" 0
    grep -q -i 'shuts down' "$log.err"
    verdict "$name" $? "DI04 SIGTERM asks the guest to shut down"
    grep -q -i 'heartbeat is there' "$log.err"
    verdict "$name" $? "DI02 the guest answers heartbeats"
}

# Without stimers: Linux, unloading hv_vmbus, stops the one that ticks and starts no other.
sweep()
{
    fresh_root "$1"
    boot "sweep-$1-$2" "$1" --initrd "$work/$1/sweep" --engine "$2" --memory 512M --hv linux,-stimer,-stimer-direct \
        --cmdline "console=ttyS0 quiet" --disk "path=$work/scratch.raw"
    rows
    ended "$name" 0
}

# What the guest was told is safe survives a kill of the VMM (DS09).
kill_and_look()
{
    fresh_root "$1"
    log=$work/logs/kill-$1-$2
    (wait_for_line "$boot_seconds" '^synced 40' && pkill -KILL -f "^$enlight run .*$work/scratch.raw") &
    boot "kill-$1-$2" "$1" --initrd "$work/$1/initrd" --engine "$2" --cmdline "$(line kill.sh '')" \
        --disk "path=$work/scratch.raw"
    boot "kill-$1-$2-after" "$1" --initrd "$work/$1/initrd" --engine "$2" --cmdline "$(line kill-after.sh '')" \
        --disk "path=$work/scratch.raw"
    rows
}

sanitizer()
{
    enlight=$work/enlight-sanitizer
    UBSAN_OPTIONS=halt_on_error=1 report "$1" "$2" 1
    ! grep -q -E 'AddressSanitizer|runtime error' "$log.err"
    verdict "$name" $? "no sanitizer report"
}

# driven DRIVER COMMAND... : the verdicts are those of the one who drives the machine from outside, as they come. The
# boot is what the caller's function "machine" starts.
driven()
{
    local driver=$1
    shift
    rm -f "$work/control.sock"
    log=$work/logs/$driver
    : >"$log"
    "$@" | tee "$log.rows" | sed -u -E "s/^(ok|not ok) /\1 - $driver: /" &
    boot_seconds=1500 machine "$driver"
    wait $!
    ! grep -q '^not ok' "$log.rows" || tail_of_log
    grep -q "^${driver%%-*}: end" "$log.rows"
    verdict "$name" $? "all steps were taken"
    ended "$name" 0
}

control()
{
    local kernel=$1 engine=$2 cpus=$3
    machine()
    {
        boot "$1" "$kernel" --initrd "$work/$kernel/initrd" --engine "$engine" --cpus "$cpus" --memory 512M \
            --cmdline "$(line control.sh '')" --disk "path=$work/scratch.raw" --control "$work/control.sock"
    }
    fresh_root "$kernel"
    control_rounds=${4:-50} driven "control-$1-$2-$3" "$here/control.sh" "$enlight" "$work" "$work/logs/control-$1-$2-$3"
}

services()
{
    local kernel=$1 engine=$2
    machine()
    {
        boot "$1" "$kernel" --initrd "$work/$kernel/initrd" --engine "$engine" --memory 512M \
            --cmdline "$(line services.sh '')" --disk "path=$work/scratch.raw" --disk "path=$work/second.raw" \
            --nic user --control "$work/control.sock"
    }
    fresh_root "$kernel"
    rm -f "$work/second.raw"
    truncate -s 64M "$work/second.raw"
    driven "services-$1-$2" "$here/services.sh" "$enlight" "$work" "$work/logs/services-$1-$2" "$work/scratch.raw" \
        "$work/second.raw"
}

command_line() { "$here/command_line.sh" "$enlight" "$work"; }

run_scenario()
{
    local IFS=: words
    read -r -a words <<<"$1"
    case ${words[0]} in
    kill) kill_and_look "${words[@]:1}" ;;
    command-line) command_line ;;
    report | net | kexec | crash | kdump | disks | sweep | sanitizer | control | services) "${words[0]}" "${words[@]:1}" ;;
    *) echo "not ok - unknown scenario $1" ;;
    esac
}

for scenario in "$@"; do
    echo "# $scenario ($SECONDS s)"
    run_scenario "$scenario"
done
