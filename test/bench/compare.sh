#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/bench/compare.sh ENLIGHT QEMU WORK ROUNDS SECONDS PARTS - the measuring part of test/bench/run.sh.
#
# Runs where KVM works, as root: it reads KVM's counters in debugfs, makes a RAM disk and a tap device.
set -u
enlight=$1 qemu=$2 work=$3 rounds=$4 seconds=$5 parts=$6
results=$work/results
counters=/sys/kernel/debug/kvm
disk=/dev/ram0
sectors=524288
tap=enl-bench
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
counter() { cat "$counters/$1" 2>/dev/null || echo 0; }
# Of the guest: this machine's own interrupts make exits too, the more the slower it is.
exits_now() { echo $(($(counter exits) - $(counter irq_exits))); }

make_disk()
{
    insmod "$work/brd.ko" rd_nr=1 rd_size=$((sectors / 2)) 2>/dev/null
    [ -b $disk ] || { echo "compare.sh: no RAM disk at $disk" >&2; exit 1; }
    dd if=/dev/urandom of=$disk bs=1M count=256 2>/dev/null
}

# The guest is 10.0.3.15 there, and the server of both networks listens on this side.
make_network()
{
    busybox tunctl -t $tap >/dev/null && busybox ifconfig $tap 10.0.3.2 netmask 255.255.255.0 up || exit 1
    "$work/traffic" serve 5001 &
    server=$!
    trap 'kill $server; busybox tunctl -d $tap >/dev/null' EXIT
}

# start_disk_WHO MEMORY SECONDS, start_net_WHO SECONDS: a guest on its console, until it powers off.
start_disk_enlight()
{
    timeout -k 5 300 "$enlight" run --accel kvm --kernel "$work/vmlinux" --initrd "$work/initrd" --memory "$1" --cpus 1 \
        --cmdline "console=ttyS0 quiet root=LABEL=enlight rw enlight.script=bench.sh enlight.bench=$sectors:$2" \
        --disk "path=$work/scratch.raw" --disk "path=$disk,direct=on,aio=io_uring"
}

start_disk_qemu()
{
    timeout -k 5 300 "$qemu" -M q35,accel=kvm -cpu host -m "$1" -smp 1 -nodefaults -no-user-config -display none -serial stdio \
        -object memory-backend-memfd,id=ram,size="$1",share=on -machine memory-backend=ram \
        -object iothread,id=io -kernel "$work/vmlinuz" -initrd "$work/initrd" \
        -append "console=ttyS0 quiet root=LABEL=enlight rw enlight.script=bench.sh enlight.bench=$sectors:$2" \
        -drive if=none,id=root,file="$work/scratch.raw",format=raw,cache=writeback \
        -device virtio-blk-pci,drive=root,iothread=io \
        -drive if=none,id=data,file=$disk,format=raw,cache=none,aio=io_uring \
        -device virtio-blk-pci,drive=data,iothread=io
}

net_line() { echo "console=ttyS0 quiet enlight.script=bench-net.sh enlight.bench=$1"; }

start_net_enlight()
{
    timeout -k 5 300 "$enlight" run --accel kvm --kernel "$work/vmlinux" --initrd "$work/initrd-net" --memory 256M \
        --cpus 1 --cmdline "$(net_line "$1")" --nic user,mac=00:15:5d:00:00:01 --nic tap=$tap,mac=00:15:5d:00:00:02
}

start_net_qemu()
{
    timeout -k 5 300 "$qemu" -M q35,accel=kvm -cpu host -m 256M -smp 1 -nodefaults -no-user-config -display none \
        -serial stdio -object memory-backend-memfd,id=ram,size=256M,share=on -machine memory-backend=ram \
        -kernel "$work/vmlinuz" -initrd "$work/initrd-net" -append "$(net_line "$1")" \
        -netdev user,id=user -device virtio-net-pci,netdev=user,mac=00:15:5d:00:00:01,romfile= \
        -netdev tap,id=tap,ifname=$tap,script=no,downscript=no \
        -device virtio-net-pci,netdev=tap,mac=00:15:5d:00:00:02,romfile=
}

# The process's own memory in KiB: every mapping but the guest's RAM, which is the one of 100 MiB and more.
own_memory()
{
    awk '/^Size:/ { guest = $2 > 100 * 1024 } /^Rss:/ && !guest { n += $2 } END { print n }' "/proc/$1/smaps"
}

# What to do at the end of JOB, whose RATE and COUNT the guest gives; $began, $exits and $irqs are of its start.
job_ends()
{
    local who=$1 job=$2 rate=$3 count=$4
    case $job in
    settle) pid=$(pgrep -f "^($enlight|$qemu) .*console=ttyS0") ;;
    read) echo "$who memory-KiB $(own_memory "$pid")" >>"$results" ;;
    *) echo "$who $job $rate $(($(exits_now) - exits)) $(($(counter irq_injections) - irqs)) $count" >>"$results" ;;
    esac
}

# round PART WHO SECONDS...: one boot of start_PART_WHO; appends "WHO JOB RATE EXITS INJECTIONS COUNT" lines, boot
# milliseconds and memory to the results.
round()
{
    local part=$1 who=$2 word job rate count began exits=0 irqs=0 pid=''
    shift 2
    echo "compare.sh: a guest of $who for $part $*" >&2
    began=$(milliseconds)
    while IFS=$' \r' read -r word job rate count; do
        case $word in
        begin)
            [ "$job" != settle ] || [ "$part $1" != "disk 256M" ] ||
                echo "$who boot-ms $(($(milliseconds) - began))" >>"$results"
            exits=$(exits_now) irqs=$(counter irq_injections)
            ;;
        end) job_ends "$who" "$job" "$rate" "$count" ;;
        esac
    done < <("start_${part}_$who" "$@" </dev/null 2>"$work/$who.err" | tee "$work/$who.out")
    [ -n "$pid" ] && return
    echo "compare.sh: the guest of $who did not start its work:" >&2
    tail -n 5 "$work/$who.out" "$work/$who.err" >&2
}

disk_round()
{
    cp --sparse=always "$work/root.raw" "$work/scratch.raw"
    round disk "$1" 256M "$seconds"
    cp --sparse=always "$work/root.raw" "$work/scratch.raw"
    round disk "$1" 128M 0
}

net_round() { round net "$1" "$seconds"; }

case $parts in *disk*) make_disk ;; esac
case $parts in *net*) make_network ;; esac
for ((n = 1; n <= rounds; n++)); do
    echo "compare.sh: round $n of $rounds" >&2
    echo "round $n" >>"$results"
    order='enlight qemu'
    [ $((n % 2)) -eq 1 ] || order='qemu enlight'
    for part in $parts; do
        for who in $order; do
            "${part}_round" "$who"
        done
    done
done

# Medians, and how far Enlight is ahead: more requests, less time, less memory. The two of one round are compared, since
# the machine of the next may be slower; the median of these ratios is shown, the least and the greatest.
awk '
function sorted(list, a,   n, i, j, t) {
    n = split(list, a, " ")
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
    return n
}
function median(list,   a, n) {
    n = sorted(list, a)
    return a[int((n + 1) / 2)] + 0
}
function ratios(job,   i, e, q, list) {
    for (i = 1; i <= rounds; i++) {
        e = of["enlight", job, i] + 0; q = of["qemu", job, i] + 0
        if (e && q) list = list " " (job ~ smaller ? q / e : e / q)
    }
    return list
}
$1 == "round" { rounds = $2; next }
{
    of[$1, $2, rounds] = $3
    values[$1, $2] = values[$1, $2] " " $3
    if (!($2 in seen)) { seen[$2] = 1; order[++count] = $2 }
    if ($6 > 0) {
        exits[$1, $2] = exits[$1, $2] " " $4 / $6
        irqs[$1, $2] = irqs[$1, $2] " " $5 / $6
    }
}
BEGIN { smaller = "-ms$|-KiB$" }
END {
    printf "%-17s %9s %9s %7s %13s   %15s   %15s\n", "", "enlight", "qemu", "ahead", "least, most", "exits for each",
        "interrupts each"
    for (i = 1; i <= count; i++) {
        job = order[i]
        n = sorted(ratios(job), ratio)
        printf "%-17s %9d %9d %7.2f %6.2f %6.2f", job, median(values["enlight", job]), median(values["qemu", job]),
            ratio[int((n + 1) / 2)], ratio[1], ratio[n]
        if (job !~ smaller)
            printf "   %7.2f %7.2f   %7.2f %7.2f", median(exits["enlight", job]), median(exits["qemu", job]),
                median(irqs["enlight", job]), median(irqs["qemu", job])
        printf "\n"
    }
}' "$results"
