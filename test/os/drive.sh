# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/drive.sh - what the scripts share that drive a machine from outside: commands, rows, waiting for its console.
#
# Sourced by them. $enlight is the program, $socket the machine's control socket, $log the file with its console.
enlight=${enlight:?} socket=${socket:?} log=${log:?}

ctl() { "$enlight" ctl --timeout "${ctl_seconds:-60}" "$@" 2>&1; }

# The words of a file, on one line.
one_line() { tr -s ' \n' ' ' <"$1"; }

row()
{
    if [ "$2" = 0 ]; then
        echo "ok $1 $3"
    else
        echo "not ok $1 $3"
    fi
}

# expect SECONDS TEXT COUNT: until the console has so many lines with TEXT. It looks seldom: under emulation each look is
# time that the guest does not have.
expect()
{
    local end=$((SECONDS + $1))
    until [ "$(grep -c -a -E "$2" "$log")" -ge "${3:-1}" ]; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 1
    done
}
