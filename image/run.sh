#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# image/run.sh [OPTIONS] ENLIGHT [-- MORE...] - boot Debian's own kernel as a Hyper-V guest with a root disk.
#
# What "make run" calls, with the path of the enlight program. Makes the kernel, the initramfs and the root
# image in the cache where they are missing, copies the root image (each run starts from a fresh one), and runs
# "enlight run". With a terminal on standard input the guest gives a shell; without one it runs
# test/os/guest/report.sh, and the exit status is 0 only if no row of the report failed.
#   --kernel 6.1|6.1-cloud|6.12   --engine auto|kernel|user   --cpus N   --memory SIZE   --hv LIST
#   --accel auto|kvm|nested       --report (also with a terminal)        --script FILE (instead of the report)
#   --console-log FILE            also write the console there
# Words after "--" go to "enlight run" as they are.
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=image/lib.sh
. "$here/lib.sh"
tree=$(dirname "$here")

kernel=6.1 engine=auto cpus=1 memory=512M hv='' accel=auto report='' script=$tree/test/os/guest/report.sh
program='' log='' port='' more=() expect=(nic)
[ -t 0 ] || report=1

usage()
{
    die "usage: image/run.sh [--kernel K] [--engine E] [--cpus N] [--hv LIST] [--report] ENLIGHT [-- MORE]"
}

parse()
{
    while [ $# -gt 0 ]; do
        case $1 in
        --kernel) kernel=$2 && shift ;;
        --engine) engine=$2 && shift ;;
        --cpus) cpus=$2 && shift ;;
        --memory) memory=$2 && shift ;;
        --hv) hv=$2 && shift ;;
        --accel) accel=$2 && shift ;;
        --script) script=$2 report=1 && shift ;;
        --console-log) log=$2 && shift ;;
        --report) report=1 ;;
        --) shift && more=("$@") && break ;;
        -*) usage ;;
        *) program=$1 ;;
        esac
        shift
    done
    [ -x "$program" ] || usage
}

# A port of this machine that nobody listens on.
free_port()
{
    local port=0
    until [ $port != 0 ] && ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        port=$((20000 + RANDOM % 10000))
    done
    echo $port
}

# The control socket is for the host's half of the report, unless the caller has one of his own.
host_half()
{
    case " ${more[*]} " in *" --control "*) return 1 ;; esac
    [ -n "$report" ]
}

# Words for the report about what this configuration must show.
expectations()
{
    [ "$cpus" -lt 2 ] || expect+=(cpus2)
    ! host_half || expect+=(services)
    [ -z "$port" ] || expect+=("web-$port")
    [ "$engine" != kernel ] || expect+=(kernel-engine)
    case $hv in *tsc-invariant*) expect+=(tsc) ;; esac
    case ,$hv, in *,-stimer,*) expect+=(no-stimer) ;; *,-stimer-direct,*) expect+=(message-timer) ;; esac
}

# The static program behind row T05, built with the tree's compiler once for each source.
vdso_probe()
{
    gcc -O2 -static -o "$1/vdso" "$tree/test/os/guest/vdso.c"
}

prepare()
{
    local key
    work=$(mktemp -d "${TMPDIR:-/tmp}/enlight-run.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    kernel_dir=$("$here/kernel.sh" "$kernel")
    key=$(sha256sum "$tree/test/os/guest/vdso.c" | cut -c1-16)
    cached "probe/$key" vdso_probe
    "$here/initrd.sh" "$kernel" --script "$script" --script "$tree/test/os/guest/lib.sh" \
        --script "$tree/test/os/guest/net.sh" --script "$tree/test/os/guest/pairs.sh" --script "$CACHE/probe/$key/vdso" "$work/initrd"
    "$here/rootfs.sh" "$kernel" "$work/root.raw"
}

# The last line of the report decides; a guest that never got there has failed.
judge()
{
    local summary
    summary=$(grep -a -E '^[0-9]+ passed, [0-9]+ failed' "$work/console" | tail -n 1 | tr -d '\r')
    [ -n "$summary" ] || die "the guest ended without a report; its last lines are above"
    case $summary in *" 0 failed"*) return 0 ;; *) return 1 ;; esac
}

start()
{
    local args=(run --accel "$accel" --engine "$engine" --cpus "$cpus" --memory "$memory"
        --kernel "$kernel_dir/vmlinuz" --initrd "$work/initrd" --disk "path=$work/root.raw,format=raw"
        --nic "user${port:+,hostfwd=tcp:127.0.0.1:$port-:8000}")
    local line="console=ttyS0 root=LABEL=enlight rw quiet"
    [ -z "$hv" ] || args+=(--hv "$hv")
    if [ -z "$report" ]; then
        say "a shell in the guest follows; Ctrl-a x leaves"
        "$program" "${args[@]}" --cmdline "$line" "${more[@]}"
        return
    fi
    line="$line enlight.script=$(basename "$script") enlight.expect=$(IFS=, && echo "${expect[*]}")"
    if host_half; then
        args+=(--control "$work/control.sock")
        "$tree/test/os/host.sh" "$program" "$work/control.sock" &
        trap 'kill $! 2>/dev/null || true; rm -rf "$work"' EXIT
    fi
    "$program" "${args[@]}" --cmdline "$line" "${more[@]}" </dev/null | tee "$work/console" || exit $?
    [ -z "$log" ] || cp "$work/console" "$log"
    judge
}

parse "$@"
need gcc cpio
[ -z "$report" ] || port=$(free_port)
expectations
prepare
start
