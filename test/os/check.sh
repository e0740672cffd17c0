#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/check.sh ENLIGHT WORK KERNEL [matrix|faults] - "enlight check", as a user has it, as TAP (E02, E03, E20).
#
# Called by test/os/run.sh, outside of the nested machine: it starts its own, as a user's command does. The initramfs
# are made here as a distribution makes them: compressed, modules with modprobe's tables below /lib/modules. One has
# all drivers, others have lost one. "matrix": each version of the bus; "faults": what else goes wrong.
set -u
here=$(dirname "$(readlink -f "$0")")
tree=$(readlink -f "$here/../..")
enlight=$1 work=$2 kernel=$3 more=${4:-}
# shellcheck source=test/os/lib.sh
. "$here/lib.sh"
name=check-$kernel${more:+-$more} dir=$work/check-$kernel
export TMPDIR=$dir/tmp

usual='hv_vmbus hv_utils sd_mod ext4 ?crc32c_generic af_packet'

# make_initrd OUT MODULE... : image/lib.sh exits at the first thing that fails.
make_initrd()
(
    # shellcheck source=/dev/null # else its own variables are taken for ours
    . "$tree/image/lib.sh"
    out=$1 source=$("$tree/image/kernel.sh" "$kernel") stage=$1.stage
    version=$(cat "$source/version")
    from=$source/modules/lib/modules/$version to=$stage/lib/modules/$version
    mkdir -p "$to"
    cp "$from/modules.order" "$from"/modules.builtin* "$to/"
    # shellcheck disable=SC2086 # a list of words
    for file in $(module_files "$source" $usual "${@:2}"); do
        install -D -m 644 "$from/$file" "$to/$file"
    done
    depmod -b "$stage" "$version"
    pack_cpio "$stage" "$out.cpio"
    gzip -1 <"$out.cpio" >"$out"
    rm -rf "$stage" "$out.cpio"
)

# check INITRD OPTIONS... : sets status, and leaves $dir/tap.
check()
{
    timeout 2400 "$enlight" check --kernel "$work/$kernel/vmlinuz" --initrd "$1" "${@:2}" \
        </dev/null >"$dir/tap" 2>"$dir/err"
    status=$?
}

# expect WHAT STATUS PATTERN... : the status, and a line for each pattern.
expect()
{
    local bad='' pattern
    [ "$status" -eq "$2" ] || bad="status $status, expected $2"
    for pattern in "${@:3}"; do
        grep -q -E "$pattern" "$dir/tap" "$dir/err" || bad="$bad; no line '$pattern'"
    done
    [ -z "$bad" ] || sed 's/^/# /' "$dir/tap" "$dir/err"
    verdict "$name" "$([ -z "$bad" ]; echo $?)" "$1${bad:+: $bad}"
}

# The rows are numbered from 1, and the plan has their number.
is_valid_tap()
{
    awk '/^#/ { next }
        /^1\.\.[0-9]+$/ { plan = substr($0, 4); next }
        /^(not )?ok [0-9]+ - / { sub(/^not /, ""); if ($2 != ++rows) bad = 1; next }
        { bad = 1 }
        END { exit bad || !rows || plan != rows }' "$dir/tap"
}

# Neither a file nor a process: the nested machine has the folder on its command line.
expect_nothing_left()
{
    local left
    left=$(ls -A "$TMPDIR"; pgrep -f "$TMPDIR")
    verdict "$name" "$([ -z "$left" ]; echo $?)" "$1 leaves nothing behind${left:+: $left}"
}

good_kernel()
{
    check "$dir/whole" --root "$work/$kernel/root.raw" --junit "$dir/junit.xml"
    expect "E02 a kernel that is well passes, with the versions that it took" 0 \
        '^ok 1 - the kernel starts its first program: 6' '^ok .*VMBus|^ok .*hv_vmbus connects to the bus: version 5\.3' \
        '^ok .*hv_storvsc is bound: .*storage protocol 6\.2' '^ok .*the root file system mounts: sda ext4' \
        '^ok .*hv_netvsc is bound: .*network protocol 6\.1' '^ok .*the NIC carries traffic: eth0 10\.' \
        '^ok .*heartbeat 3\.0' '^ok .*powers off'
    is_valid_tap
    verdict "$name" $? "E02 its TAP has a plan, and numbers"
    python3 -c 'import sys, xml.etree.ElementTree as x
suites = x.parse(sys.argv[1]).getroot().findall("testsuite")
sys.exit(not (len(suites) == 1 and len(suites[0].findall("testcase")) == 10 and suites[0].get("failures") == "0"))' \
        "$dir/junit.xml"
    verdict "$name" $? "E02 its JUnit file is XML, with a test case for each verdict"
}

lost_disk_driver()
{
    check "$dir/no-disk" --root "$work/$kernel/root.raw"
    expect "E20 an initramfs without hv_storvsc fails by name, and the rest passes" 1 \
        '^not ok .*hv_storvsc is bound: its device has no driver: is hv_storvsc in' '^not ok .*the disk can be read' \
        '^not ok .*the root file system mounts' '^ok .*hv_netvsc is bound' '^# console: .*enlight-check: end'
    expect_nothing_left "E20 a boot that failed"
}

lost_nic_driver()
{
    check "$dir/no-nic"
    expect "E20 an initramfs without hv_netvsc fails by name, and the rest passes" 1 \
        '^ok .*hv_storvsc is bound' '^ok .*root file system mounts # SKIP no --root' \
        '^not ok .*hv_netvsc is bound: its device has no driver: is hv_netvsc in' '^not ok .*the NIC carries traffic'
    check "$dir/no-nic" --no-nic
    expect "E20 which is well where there is no NIC" 0 '^ok .*hv_storvsc is bound' '^1\.\.8$'
}

every_version()
{
    local version
    check "$dir/whole" --matrix --junit "$dir/junit.xml"
    expect "E03 the kernel takes each version of VMBus that it is held to" 0
    for version in 2.4 3.0 4.0 4.1 5.0 5.1 5.2 5.3; do
        expect "E03 with VMBus $version its disk and its NIC work" 0 \
            "^ok .*VMBus $version: hv_vmbus connects to the bus: version $version$" \
            "^ok .*VMBus $version: hv_storvsc is bound: .*storage protocol" "^ok .*VMBus $version: the NIC carries traffic"
    done
    is_valid_tap
    verdict "$name" $? "E03 one plan for all boots"
}

bad_ends()
{
    check "$dir/whole" --cmdline 'rdinit=/none'
    expect "E02 a panic is the reason, and the console's end is shown" 1 \
        '^not ok 1 - the kernel starts its first program: Kernel panic - not syncing' '^# console: .*Kernel panic' '^1\.\.2$'
    check "$dir/whole" --cmdline 'rdinit=/none root=/dev/none rootwait' --timeout 60
    expect "E02 a kernel that hangs fails when its time is over" 1 \
        '^not ok 1 - .*: it did not within the time' '^# console: .*Waiting for root device'
    expect_nothing_left "E02 a time-out"
    env --default-signal=INT "$enlight" check --kernel "$work/$kernel/vmlinuz" --initrd "$dir/whole" \
        </dev/null >"$dir/tap" 2>"$dir/err" &
    sleep 10
    kill -INT $!
    wait $!
    status=$?
    expect "E02 Ctrl-c ends it as it ends others" 130 '^Bail out!'
    expect_nothing_left "E02 Ctrl-c"
}

mistakes()
{
    echo 'no kernel at all' >"$dir/text"
    head -c 1048576 /dev/zero >"$dir/zeroes"
    check "$dir/whole" --root "$dir/zeroes"
    expect "E02 a disk without a file system" 1 '^not ok .*the root file system mounts: none and no partition that mounts'
    check "$dir/whole" --kernel "$dir/text"
    expect "E02 a text is no kernel" 66 "^enlight: .*$dir/text" '^Bail out!'
    check "$dir/missing"
    expect "E02 an initramfs that is missing" 66 "^enlight: --initrd: .*No such file"
    check "$dir/whole" --root "$dir"
    expect "E02 a folder is no disk" 66 "^enlight: --root: .*is not a file"
    check "$dir/whole" --busybox "$dir/text"
    expect "E02 a busybox that is none" 66 "^enlight: --busybox: .*install busybox-static"
    check "$dir/whole" --engine steam
    expect "E02 an engine that there is not" 64 "^enlight: --engine"
    expect_nothing_left "E02 a mistake"
}

mkdir -p "$TMPDIR"
make_initrd "$dir/whole" hv_storvsc hv_netvsc
case $more in
matrix) every_version ;;
faults)
    make_initrd "$dir/no-nic" hv_storvsc
    lost_nic_driver
    bad_ends
    mistakes
    ;;
*)
    make_initrd "$dir/no-disk" hv_netvsc
    good_kernel
    lost_disk_driver
    ;;
esac
