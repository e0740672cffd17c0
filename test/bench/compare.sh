#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/bench/compare.sh ENLIGHT QEMU WORK ROUNDS SECONDS - the measuring part of test/bench/run.sh.
#
# Runs where KVM works, as root: it reads KVM's counters in debugfs and makes a RAM disk.
set -u
enlight=$1 qemu=$2 work=$3 rounds=$4 seconds=$5
results=$work/results
counters=/sys/kernel/debug/kvm
disk=/dev/ram0
sectors=524288
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
insmod "$work/brd.ko" rd_nr=1 rd_size=$((sectors / 2)) 2>/dev/null
[ -b $disk ] || { echo "compare.sh: no RAM disk at $disk" >&2; exit 1; }
dd if=/dev/urandom of=$disk bs=1M count=256 2>/dev/null

milliseconds() { echo $(($(date +%s%N) / 1000000)); }
counter() { cat "$counters/$1" 2>/dev/null || echo 0; }

# start_WHO MEMORY SECONDS: a guest on its console, until it powers off.
start_enlight()
{
    timeout -k 5 300 "$enlight" run --accel kvm --kernel "$work/vmlinux" --initrd "$work/initrd" --memory "$1" --cpus 1 \
        --cmdline "console=ttyS0 quiet root=LABEL=enlight rw enlight.script=bench.sh enlight.bench=$sectors:$2" \
        --disk "path=$work/scratch.raw" --disk "path=$disk,direct=on,aio=io_uring"
}

start_qemu()
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

# The process's own memory in KiB: every mapping but the guest's RAM, which is the one of 100 MiB and more.
own_memory()
{
    awk '/^Size:/ { guest = $2 > 100 * 1024 } /^Rss:/ && !guest { n += $2 } END { print n }' "/proc/$1/smaps"
}

# round WHO MEMORY SECONDS: one boot; appends "WHO JOB IOPS EXITS INJECTIONS" lines, boot milliseconds and memory to the results.
round()
{
    local who=$1 word job iops began exits=0 irqs=0 pid=''
    echo "compare.sh: a guest of $who with $2" >&2
    cp --sparse=always "$work/root.raw" "$work/scratch.raw"
    began=$(milliseconds)
    while read -r word job iops; do
        iops=${iops%$'\r'} job=${job%$'\r'}
        case $word in
        begin)
            if [ "$job" = settle ] && [ "$3" != 0 ]; then
                echo "$who boot-ms $(($(milliseconds) - began)) 0 0" >>"$results"
            fi
            exits=$(counter exits) irqs=$(counter irq_injections)
            ;;
        end)
            if [ "$job" = settle ]; then
                pid=$(pgrep -f "^($enlight|$qemu) .*$work/scratch.raw")
                continue
            fi
            if [ "$job" = read ]; then
                echo "$who memory-KiB $(own_memory "$pid") 0 0" >>"$results"
                continue
            fi
            echo "$who $job $iops $(($(counter exits) - exits)) $(($(counter irq_injections) - irqs))" >>"$results"
            ;;
        esac
    done < <("start_$who" "$2" "$3" </dev/null 2>"$work/$who.err" | tee "$work/$who.out")
    [ -n "$pid" ] && return
    echo "compare.sh: the guest of $who did not start its work:" >&2
    tail -n 5 "$work/$who.out" "$work/$who.err" >&2
}

for ((n = 1; n <= rounds; n++)); do
    echo "compare.sh: round $n of $rounds" >&2
    for who in enlight qemu; do
        round $who 256M "$seconds"
        round $who 128M 0
    done
done

# Medians, and how far Enlight is ahead: more requests, less time, less memory.
awk -v seconds="$seconds" '
function median(key,   n, i, j, t, a) {
    n = split(values[key], a, " ")
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
    return a[int((n + 1) / 2)] + 0
}
{
    values[$1 " " $2] = values[$1 " " $2] " " $3
    if (!($2 in seen)) { seen[$2] = 1; order[++count] = $2 }
    if ($3 > 0 && $2 !~ /-ms|-KiB/) {
        values[$1 " " $2 " x"] = values[$1 " " $2 " x"] " " $4 / ($3 * seconds)
        values[$1 " " $2 " i"] = values[$1 " " $2 " i"] " " $5 / ($3 * seconds)
    }
}
END {
    printf "%-14s %10s %10s %7s   %21s   %21s\n", "", "enlight", "qemu", "ahead", "exits a request", "interrupts a request"
    for (i = 1; i <= count; i++) {
        job = order[i]; e = median("enlight " job); q = median("qemu " job)
        less = job ~ /-ms|-KiB/
        printf "%-14s %10d %10d %7.2f", job, e, q, less ? (e ? q / e : 0) : (q ? e / q : 0)
        if (job !~ /-ms|-KiB/)
            printf "   %10.2f %10.2f   %10.2f %10.2f", median("enlight " job " x"), median("qemu " job " x"),
                median("enlight " job " i"), median("qemu " job " i")
        printf "\n"
    }
}' "$results"
