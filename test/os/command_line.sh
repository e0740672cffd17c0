#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/command_line.sh ENLIGHT WORK - every mistake gets one sentence and its documented exit status.
#
# Runs where KVM works (test/os/scenarios.sh calls it), since some mistakes show only when the machine is made.
set -u
enlight=$1 work=$2
kernel=$(find "$work" -maxdepth 2 -name vmlinuz | head -n 1)
dir=$(mktemp -d "$work/cli.XXXXXX")

# refuses NAME STATUS PATTERN ARGS...
refuses()
{
    local name=$1 want=$2 pattern=$3 status
    shift 3
    timeout 60 "$enlight" run --accel kvm --console none "$@" </dev/null >"$dir/out" 2>"$dir/err"
    status=$?
    judge "$name" "$want" "$pattern" $status
}

# judge NAME STATUS PATTERN STATUS-SEEN
judge()
{
    local name=$1 want=$2 pattern=$3 status=$4
    if [ "$status" -eq "$want" ] && [ "$(wc -l <"$dir/err")" -eq 1 ] && grep -q -i -E "$pattern" "$dir/err"; then
        echo "ok - command_line: $name: $(cat "$dir/err")"
    else
        sed 's/^/# /' "$dir/err"
        echo "not ok - command_line: $name: status $status, expected $want and one line matching '$pattern'"
    fi
}

echo "no kernel at all, just text" >"$dir/text"
: >"$dir/empty"
head -c 1000 /dev/zero >"$dir/odd"
head -c 4096 "$kernel" >"$dir/cut"
truncate -s 1M "$dir/disk"
head -c 1048576 /dev/zero >"$dir/no.vhd"

refuses no_kernel 64 'kernel' --memory 256M
refuses unknown_option 64 "'--frob'" --frob
refuses missing_kernel 66 'missing.*No such file' --kernel "$dir/missing"
refuses kernel_is_text 66 'kernel' --kernel "$dir/text"
refuses kernel_is_cut 66 'damaged' --kernel "$dir/cut"
refuses empty_kernel 66 'empty' --kernel "$dir/empty"
refuses missing_initrd 66 'No such file' --kernel "$kernel" --initrd "$dir/missing"
refuses missing_disk 66 'No such file|no such|missing' --kernel "$kernel" --disk "path=$dir/missing"
refuses empty_disk 66 'disk' --kernel "$kernel" --disk "path=$dir/empty"
refuses odd_disk 66 'disk' --kernel "$kernel" --disk "path=$dir/odd"
refuses disk_is_a_folder 66 'disk' --kernel "$kernel" --disk "path=$dir"
refuses not_a_vhd 66 'VHD|footer' --kernel "$kernel" --disk "path=$dir/no.vhd,format=vhd"
refuses disk_without_path 64 'path' --kernel "$kernel" --disk format=raw
refuses disk_format 64 'raw' --kernel "$kernel" --disk "path=$dir/disk,format=qcow2"
refuses same_lun 64 'lun' --kernel "$kernel" --disk "path=$dir/disk,lun=3" --disk "path=$dir/odd,lun=3"
refuses same_id 64 'taken' --kernel "$kernel" --disk "path=$dir/disk,id=x" --nic user,id=x
refuses disk_twice 66 'open|lock|use' --kernel "$kernel" --disk "path=$dir/disk" --disk "path=$dir/disk"
refuses record_nowhere 66 'cannot be written' --kernel "$kernel" --disk "path=$dir/disk,record=$dir/missing/trace"
refuses record_of_nothing 64 'read-only' --kernel "$kernel" --disk "path=$dir/disk,readonly=on,record=$dir/trace"
refuses little_memory 64 'memory' --kernel "$kernel" --memory 4M
refuses no_memory 64 'memory' --kernel "$kernel" --memory 0
refuses bad_size 64 'size' --kernel "$kernel" --memory lots
refuses no_cpus 64 'CPU' --kernel "$kernel" --cpus 0
refuses many_cpus 64 'cpus' --kernel "$kernel" --cpus 100000
refuses unknown_hv 64 'frob' --kernel "$kernel" --hv frob
refuses unmet_hv 64 'needs' --kernel "$kernel" --hv linux,-synic,stimer
refuses bad_engine 64 'auto.kernel.user' --kernel "$kernel" --engine warp
refuses bad_vmbus 64 '5.3' --kernel "$kernel" --vmbus max-version=7.0

# The same for "enlight replay".
refuses_replay()
{
    local name=$1 want=$2 pattern=$3 status
    shift 3
    "$enlight" replay "$@" </dev/null >"$dir/out" 2>"$dir/err"
    status=$?
    judge "$name" "$want" "$pattern" $status
}

refuses_replay no_trace 64 'trace' --list
refuses_replay missing_trace 66 'No such file' --trace "$dir/missing" --list
refuses_replay text_is_no_trace 66 'no trace' --trace "$dir/text" --list
refuses_replay replay_to_nowhere 64 'out' --trace "$dir/text" --base "$dir/disk"
refuses_replay replay_over_its_base 64 'another' --trace "$dir/text" --base "$dir/disk" --out "$dir/disk"
rm -rf "$dir"
