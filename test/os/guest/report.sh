#!/bin/sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/report.sh - what an unmodified Linux sees of its Hyper-V host, a line a row.
#
# Runs inside the guest, as the script that "enlight.script=report.sh" names on the kernel command
# line. Expectations: cpus2, nic, web-PORT, services, kernel-engine, tsc, message-timer, no-stimer, build-N
# (test/os/guest/lib.sh).
# shellcheck source=test/os/guest/lib.sh
. /run/enlight/lib.sh
# shellcheck source=test/os/guest/net.sh
. /run/enlight/net.sh
# shellcheck source=test/os/guest/pairs.sh
. /run/enlight/pairs.sh

# Of all CPUs, or of the one given.
interrupts()
{
    awk -v name="$1:" -v cpu="$2" '
        $1 == name && cpu != "" { n = $(cpu + 2) }
        $1 == name && cpu == "" { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i }
        END { print n + 0 }' /proc/interrupts
}
msr() { rdmsr -p "${2:-0}" -0 "$1" 2>/dev/null; }

# All CPUs agree that a bit of an MSR is set: prints the values.
msr_bit0_everywhere()
{
    values=''
    for cpu in $(seq 0 $(($(nproc) - 1))); do
        value=$(msr "$1" "$cpu")
        case $value in *[13579bdf]) ;; *) return ;; esac
        values="$values $value"
    done
    echo "$1:$values"
}

rising()
{
    before=$(interrupts "$1")
    dd if=/dev/sda of=/dev/null bs=4096 count=64 iflag=direct 2>/dev/null
    sleep 1
    after=$(interrupts "$1")
    [ "$after" -gt "$before" ] && echo "$1 rose from $before to $after"
}

clock=/sys/devices/system/clocksource/clocksource0
vmbus=/sys/bus/vmbus/devices
tables=/sys/firmware/acpi/tables

report_detection()
{
    row C02 "$(log_line 'Hypervisor detected: Microsoft Hyper-V')"
    row C05 "$(log_line 'Hyper-V: Host Build')"
    build=$(expected build)
    [ -z "$build" ] || row C06 "$(log_line "Host Build 10.0.$build")"
    row C07 "$(log_line 'Hyper-V: privilege flags')"
    if dmesg | grep -q kvm-clock || grep -q kvm "$clock/available_clocksource"; then
        row C22 '' 'the kernel found KVM'
    else
        row C22 'no kvm-clock, no KVM feature'
    fi
    row C32 "$(log_line 'Hyper-V: LAPIC Timer Frequency')"
}

report_registers()
{
    row M02 "$(value=$(msr 0x40000001); case $value in *[13579bdf]) echo "0x40000001: $value" ;; esac)"
    row M12 "$(msr_bit0_everywhere 0x40000080)"
    row M16 "$(value=$(msr 0x40000092); case $value in *f3) echo "SINT2: $value" ;; esac)"
    row P01 "$(indexes=''; for cpu in $(seq 0 $(($(nproc) - 1))); do
        [ "$((0x$(msr 0x40000002 "$cpu")))" = "$cpu" ] || exit; indexes="$indexes $cpu"; done
        echo "VP index:$indexes")"
    wanted kernel-engine && row M11 "$(msr_bit0_everywhere 0x40000073)"
    wanted no-stimer || row M17 "$(value=$(msr 0x400000b0); [ "$((0x${value:-0}))" != 0 ] && echo "STIMER0: $value")"
}

# Reads of a port that no device has give ones; the cloud kernel lets nobody try.
pit_is_silent()
{
    [ ! -c /dev/port ] || [ "$(dd if=/dev/port bs=1 skip=64 count=1 2>/dev/null | od -An -tx1)" = ' ff' ]
}

report_clocks()
{
    current=$(cat "$clock/current_clocksource")
    if wanted tsc; then
        row T12 "$(say_if "$current" tsc 'current clocksource: tsc')" "current clocksource: $current"
    else
        row T02 "$(say_if "$current" hyperv_clocksource_tsc_page "current clocksource: $current")" \
            "current clocksource: $current"
    fi
    row T15 "$(grep -q hpet "$clock/available_clocksource" || echo 'no HPET')"
    row T15.pit "$(pit_is_silent && ! grep -q -i pit /sys/devices/system/clockevents/*/current_device && echo 'no PIT')"
    row T05 "$(/run/enlight/vdso 2>&1 | grep '^vDSO')" "$(/run/enlight/vdso 2>&1)"
    wanted no-stimer && return
    row T07 "$(grep Hyper-V /sys/devices/system/clockevents/clockevent0/current_device)"
    if wanted message-timer; then
        row T10 "$(rising HYP)"
    else
        row C34 "$(grep -o 'HVS:.*' /proc/interrupts)"
        row T11 "$(rising HVS)"
    fi
}

report_vmbus()
{
    row S06 "$(rising HYP)"
    row V11 "$(log_line 'Vmbus version:5.3')"
    row V23 "$(ls $vmbus | wc -l | sed '/^0$/d; s/$/ devices/')"
    row V60 "$(cat $vmbus/*/modalias | grep -m 1 '^vmbus:')"
    row B01 "$(readlink /sys/bus/acpi/devices/VMBUS:00 || ls -d /sys/bus/acpi/devices/V*BUS:00)"
    row B02 "$(grep -i -m 1 -E 'hyperv mmio|VMBUS|VMOD' /proc/iomem || log_line 'hv_mmio=')"
    row DI02 "$(log_line 'Heartbeat IC version')"
    row DI03 "$(log_line 'TimeSync IC version')"
    row DI04 "$(log_line 'Shutdown IC version')"
    row B10 "$([ ! -e $tables/DMAR ] && [ ! -e $tables/IVRS ] && log_line 'APIC routing to')" "$(dmesg | grep -i x2apic)"
    case $(uname -r) in 6.1.*) ;; *) report_other_driver ;; esac
    if wanted cpus2; then
        row S17 "$(cat $vmbus/*/channels/*/cpu | sort -u | tr '\n' ' ' | grep '0 1' | sed 's/^/channels on CPUs /')"
        report_moves
        row DS05 "$(ls -d /sys/block/sda/mq/1 && ls -d $vmbus/*/channels/* | wc -l | sed 's/$/ channels/')"
    fi
}

# All of the disk's channels on one CPU: how many interrupts come to the two while it is read.
interrupts_when_on()
{
    for channel in "$1"/channels/*/cpu; do
        [ "$(cat "$channel")" = "$2" ] || echo "$2" > "$channel" || return
    done
    before0=$(interrupts HYP 0) before1=$(interrupts HYP 1)
    dd if=/dev/sda of=/dev/null bs=4096 count=128 iflag=direct 2>/dev/null
    echo $(($(interrupts HYP 0) - before0)) $(($(interrupts HYP 1) - before1))
}

# A channel can be given to another CPU while it is in use, and back.
report_moves()
{
    disk=$(readlink -f /sys/block/sda/device)
    disk=${disk%%/host*}
    first=$(interrupts_when_on "$disk" 0) second=$(interrupts_when_on "$disk" 1)
    # Messages of a timer are interrupts of the same name.
    wanted message-timer || row V36 "$(echo "$first $second" | awk '$1 > 4 * $2 && $4 > 4 * $3 {
        print "interrupts of 128 reads on CPU 0 and 1:", $1, $2, "and after the move:", $3, $4 }')" "'$first', then '$second'"
    row R27 "$(say_if "$(cat "$disk"/channels/*/cpu | sort -u)" 1 'all channels of the disk are on CPU 1')"
}

# Another driver takes a service's channel, opens it and gives it back. Seen: that of 6.1 wants a monitor page.
report_other_driver()
{
    modprobe -q uio_hv_generic || return
    time=$(grep -l 9527e630 $vmbus/*/class_id)
    time=${time%/class_id}
    drivers=/sys/bus/vmbus/drivers name=${time##*/}
    echo "$name" > "$drivers/hv_utils/unbind"
    echo uio_hv_generic > "$time/driver_override"
    echo "$name" > "$drivers/uio_hv_generic/bind"
    row V59 "$([ "$(cat /sys/class/uio/uio0/name)" = uio_hv_generic ] && exec 5<>/dev/uio0 &&
        echo "uio0 has $name, channel state $(cat "$time/state")")" "$(dmesg | tail -n 2)"
    echo "$name" > "$drivers/uio_hv_generic/unbind"
    echo > "$time/driver_override"
    echo "$name" > "$drivers/hv_utils/bind"
    row V59.back "$(say_if "$(dmesg | grep -c 'TimeSync IC version')" 2 'the service is there again')" "$(dmesg | tail -n 2)"
}

# A file system is made, filled, taken away, mounted again and compared.
file_system_keeps()
{
    dd if=/dev/urandom of=/tmp/data bs=64k count=256 2>/dev/null
    sum=$(md5sum < /tmp/data)
    mkdir -p /scratch && cp /tmp/data /root/data && sync
    echo 3 > /proc/sys/vm/drop_caches
    mount -o remount,ro / 2>/dev/null && mount -o remount,rw /
    [ "$(md5sum < /root/data)" = "$sum" ] && echo "16 MiB written, dropped and read back: ${sum%% *}"
    rm -f /root/data /tmp/data
}

report_disk()
{
    row DS01 "$(grep -l storvsc /sys/class/scsi_host/host*/proc_name | wc -l | sed '/^0$/d; s/$/ storvsc hosts/')"
    row DS06 "$(file_system_keeps)"
    row DS08 "$(cat /sys/block/sda/device/vendor /sys/block/sda/device/model /sys/block/sda/device/wwid 2>/dev/null |
        tr -s " \n" " " | grep -E "naa|eui|t10")" "$(cat /sys/block/sda/device/wwid 2>&1)"
    row DS09 "$(fstrim -v / 2>&1 | grep trimmed)" "$(fstrim -v / 2>&1)"
}

report_hints()
{
    wanted kernel-engine || return
    row P02 "$(log_line 'Using hypercall for remote TLB flush')"
    row P05 "$(log_line 'Using IPI hypercalls')"
}

modprobe msr 2>/dev/null
report_detection
report_registers
report_clocks
report_vmbus
report_disk
report_hints
report_network
report_services
report_cable
finish
