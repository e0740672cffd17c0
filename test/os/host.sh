#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/host.sh ENLIGHT SOCKET - the host's half of the report's rows about pairs, freezing and the cable.
#
# Run beside the boot by image/run.sh and test/os/scenarios.sh. The guest's report asks through its own pool of pairs; what
# the host read, and what came of its commands, goes back into the host's pool, and the guest says in its report what it
# found there (test/os/guest/pairs.sh). Ends when the guest has its answers; whoever started it ends it with the machine.
# Prints nothing.
set -u
enlight=$1 socket=$2

ctl() { "$enlight" ctl --timeout 30 "$socket" "$@" 2>&1; }

# asks KEY: the value of the guest's pair, once it is there.
asks()
{
    local i value
    for ((i = 0; i < 300; i++)); do
        [ "$i" = 0 ] || sleep 1
        if value=$(ctl hv-kvp-get pool=guest "key=$1"); then
            sed -n 's/^value *//p' <<<"$value"
            return 0
        fi
    done
    exit 1
}

tell() { ctl hv-kvp-set "key=$1" "value=$2"; }

# "yes", or the first line of what a command says.
outcome()
{
    local said
    if said=$(ctl "$@"); then
        echo yes
    else
        head -n 1 <<<"$said"
    fi
}

{
    question=$(asks question) || exit
    tell auto "$(ctl hv-kvp-list | tr -s ' \n' ' ' | cut -c1-900)"
    tell answer "$question"
    tell frozen "$(outcome hv-vss-freeze)"
    asks still >/dev/null || exit
    tell thawed "$(outcome hv-vss-thaw)"
    asks cable-out >/dev/null || exit
    ctl set_link name=net0 up=off
    asks cable-in >/dev/null || exit
    ctl set_link name=net0 up=on
} >/dev/null 2>&1
