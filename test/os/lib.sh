# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/lib.sh - boots for the scenarios: start a guest, wait for it, turn its rows into TAP.
#
# Sourced by test/os/scenarios.sh, which runs where KVM works: on the machine itself, or in the nested one. $work
# holds, for each kernel K, K/vmlinuz, K/initrd, K/root.raw. Each boot has a log $work/logs/NAME and a time-out.
enlight=${enlight:?} work=${work:?}
boot_seconds=${boot_seconds:-240}

# The disk of a boot: a fresh copy of the kernel's root image, from a file or from the device that $roots names.
fresh_root()
{
    local IFS=' ' word image=$work/$1/root.raw
    for word in ${roots:-}; do
        [ "${word%%=*}" != "$1" ] || image=${word#*=}
    done
    cp --sparse=always "$image" "$work/scratch.raw"
}

# boot NAME KERNEL OPTIONS... : runs enlight to its end, behind the words of $within; sets status and log.
within=()
boot()
{
    name=$1
    local kernel=$2
    shift 2
    log=$work/logs/$name
    timeout -k 5 "$boot_seconds" ${within[@]+"${within[@]}"} "$enlight" run --accel kvm --kernel "$work/$kernel/vmlinuz" "$@" \
        </dev/null >"$log" 2>"$log.err"
    status=$?
}

# line SCRIPT EXPECT: the kernel command line of a boot from the root disk.
line()
{
    echo "console=ttyS0 quiet root=LABEL=enlight rw enlight.script=$1 enlight.expect=$2${3:+ $3}"
}

# verdict NAME CONDITION-STATUS WHAT
verdict()
{
    if [ "$2" -eq 0 ]; then
        echo "ok - $1: $3"
    else
        echo "not ok - $1: $3"
    fi
}

# The rows that the guest printed, each as a line of TAP with the boot's name.
rows()
{
    tr -d '\r' <"$log" | sed -n -E "s/^(ok|not ok) ([A-Z][A-Za-z0-9.]*) (.*)/\1 - $name: \2 \3/p"
    if ! tr -d '\r' <"$log" | grep -q -E '^[0-9]+ passed, [0-9]+ failed$'; then
        tail_of_log
        echo "not ok - $name: no report; enlight's status $status"
    fi
}

tail_of_log()
{
    tail -n 25 "$log" | tr -d '\r' | sed 's/^/# /'
    tail -n 80 "$log.err" | sed 's/^/# stderr: /'
}

# ended NAME EXPECTED: enlight's own exit status.
ended()
{
    [ "$status" -eq "$2" ] || tail_of_log
    verdict "$1" "$([ "$status" -eq "$2" ]; echo $?)" "exit status $status, expected $2"
}

# A disk that holds a kernel and an initramfs for kexec.
kexec_disk()
{
    tar -C "$work/$1" -cf "$work/kexec.raw" bzImage initrd
    truncate -s %512 "$work/kexec.raw"
}

# wait_for_line SECONDS TEXT: until the console log shows it.
wait_for_line()
{
    local i
    for ((i = 0; i < $1 * 5; i++)); do
        grep -q -a -E "$2" "$log" && return 0
        sleep 0.2
    done
    return 1
}
