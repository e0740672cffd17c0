#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/journal.sh ENLIGHT WORK KERNEL ENGINE [all] - what a guest flushed survives a power loss at any moment (DS09).
#
# Called by test/os/run.sh, outside of the nested machine: so it shows as well that SIGTERM reaches a guest in there
# (DI04). A Linux works on an ext4 whose disk is recorded (test/os/guest/journal.sh). Then, for points of the trace,
# the image that a power loss leaves is made: its journal must replay, the file system must be clean, and each file
# that had been synced must be whole. Points: both sides of each flush's end, and some in between; seeds: all that
# was not safe is lost, or some of it. With "all" each point is looked at, with more seeds.
# "--check DIR POINT SEED [MORE]": one image, with MORE files expected than are safe.
set -u
here=$(dirname "$(readlink -f "$0")")
PATH=$PATH:/usr/sbin:/sbin
fs_end=$((16 << 20))

# Prints how many files are safe at a point: their markers stand in the trace before it.
safe_at()
{
    awk -v point="$1" -v end=$fs_end '
        $1 >= point { exit }
        $2 == "begin" && $4 == "write" && $5 > end { n = ($5 - end) / 512 }
        END { print n + 0 }' "$dir/list"
}

# One image. Prints a line about what is wrong with it.
check_image()
{
    local point=$1 seed=$2 image=$dir/image-$1-$2 files=$dir/files-$1-$2 safe status
    safe=$(($(safe_at "$point") + ${3:-0}))
    mkdir "$files"
    if ! "$enlight" replay --trace "$dir/trace" --base "$dir/base.raw" --out "$image" --point "$point" --seed "$seed"; then
        echo "point $point, seed $seed: no image"
        return
    fi
    e2fsck -p "$image" >"$files.log" 2>&1
    status=$?
    [ $status -le 1 ] || echo "point $point, seed $seed: the journal does not replay: $(tr '\n' ' ' <"$files.log")"
    e2fsck -f -n "$image" >"$files.log" 2>&1 ||
        echo "point $point, seed $seed: not clean: $(tr '\n' ' ' <"$files.log" | head -c 300)"
    debugfs -R "rdump / $files" "$image" >/dev/null 2>&1
    [ "$safe" = 0 ] || (cd "$files" && head -n "$safe" "$dir/sums" | md5sum -c --quiet 2>&1) |
        sed "s/^/point $point, seed $seed: of $safe files: /" | head -n 1
    rm -rf "$image" "$files" "$files.log"
}

# Prints "POINT SEED" lines.
points()
{
    awk -v all="$1" '
        { last = $1 + 1 }
        $2 == "done" && $4 == "flush" { print $1, 0; print $1 + 1, 0; print $1 + 1, $1 + 1; next }
        all { print $1, 0; print $1, $1 + 1; print $1, $1 + 1000003; next }
        $1 % 16 == 3 { print $1, $1 + 1 }
        END { print last, 0 }' "$dir/list"
}

make_disk()
{
    truncate -s 20M "$dir/base.raw"
    mkfs.ext4 -q -F -L recorded -b 1024 -J size=1 -E lazy_itable_init=0,lazy_journal_init=0,nodiscard \
        "$dir/base.raw" 16M >/dev/null 2>&1
    cp --sparse=always "$dir/base.raw" "$dir/disk.raw"
    cp --sparse=always "$work/$kernel/root.raw" "$dir/root.raw"
}

# The guest works, and is asked to shut down when it has said that it waits for that.
record()
{
    name=journal-$kernel-$engine log=$work/logs/$name
    "$enlight" run --kernel "$work/$kernel/vmlinuz" --initrd "$work/$kernel/initrd" --engine "$engine" \
        --log-level info --cmdline "$(line journal.sh '')" --disk "path=$dir/root.raw" \
        --disk "path=$dir/disk.raw,record=$dir/trace" </dev/null >"$log" 2>"$log.err" &
    local pid=$!
    (sleep "$boot_seconds" && kill -KILL $pid) 2>/dev/null &
    local guard=$!
    wait_for_line "$boot_seconds" 'waiting for a shutdown request' && sleep 2 && kill -TERM $pid
    wait $pid
    status=$?
    kill $guard 2>/dev/null
    rows
    ended "$name" 0
    grep -q 'the guest shuts down' "$log" "$log.err"
    verdict "$name" $? "DI04 SIGTERM asks the guest to shut down, in the nested machine, too"
}

replay_all()
{
    local count flushes began=$SECONDS
    "$enlight" replay --trace "$dir/trace" --list >"$dir/list"
    flushes=$(grep -c 'done .* flush 0' "$dir/list")
    "$enlight" replay --trace "$dir/trace" --base "$dir/base.raw" --out "$dir/end.raw" &&
        cmp "$dir/end.raw" "$dir/disk.raw"
    verdict "$name" $? "DS09.trace $(wc -l <"$dir/list") events, $flushes flushes; replayed to its end it is the disk"
    [ -n "$(check_image 0 0 1)" ]
    verdict "$name" $? "DS09.control a file that is not there is missed"
    points "$all" >"$dir/points"
    count=$(wc -l <"$dir/points")
    xargs -P 2 -n 2 "$here/journal.sh" --check "$dir" <"$dir/points" >"$dir/broken" 2>&1
    sed 's/^/# /' "$dir/broken" | head -n 20
    [ "$flushes" -ge 24 ] && [ "$count" -ge 50 ] && [ ! -s "$dir/broken" ]
    verdict "$name" $? "DS09.flush $count power losses: each journal replays, clean, every synced file is whole ($((SECONDS - began)) s)"
}

if [ "$1" = --check ]; then
    dir=$2 enlight=$dir/enlight
    check_image "${@:3}"
    exit 0
fi
enlight=$1 work=$2 kernel=$3 engine=$4 all=${5:-}
# shellcheck source=test/os/lib.sh
. "$here/lib.sh"
dir=$work/journal
mkdir -p "$dir" "$work/logs"
ln -s "$(readlink -f "$enlight")" "$dir/enlight"
seq 24 | while read -r n; do
    echo "$(seq "$n" $((40 * n)) | md5sum | cut -d' ' -f1)  file$n"
done >"$dir/sums"
make_disk
record
replay_all
