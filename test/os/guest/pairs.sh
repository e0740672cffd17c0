# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/os/guest/pairs.sh - what guests have of Debian's hv_kvp_daemon: its pools; and the report's rows of both daemons.
#
# Sourced by report.sh and services.sh. The rows need a host that answers: test/os/host.sh. Expectation: services.
pools=/var/lib/hyperv/.kvp_pool_

# The pairs of a pool, KEY=VALUE a line. A record is a key of 512 bytes and a value of 2048; what follows the zero that ends each
# is whatever the daemon's memory had there.
pairs()
{
    tr '\000\n' '\001\002' <"$pools$1" | fold -b -w 512 | awk '
        NR % 5 == 1 { key = $0; value = ""; next }
        { value = value $0 }
        NR % 5 == 0 { sub(/\001.*/, "", key); sub(/\001.*/, "", value); print key "=" value }'
}

# value KEY: of the host's pair.
value() { pairs 0 | sed -n "s/^$1=//p"; }

# field SIZE TEXT
field() { printf %s "$2" | dd bs="$1" conv=sync 2>/dev/null; }

# put KEY VALUE: into the guest's own pool.
put() { { field 512 "$1" && field 2048 "$2"; } >>"${pools}1"; }

# The value of the host's pair, once it is there.
await()
{
    for _ in $(seq 1 60); do
        [ -z "$(value "$1")" ] || break
        sleep 1
    done
    value "$1"
}

write_beats()
{
    while echo beat >>/root/beats && sync -d /root/beats && echo beat >>/run/beats; do
        sleep 0.1
    done
}

beats() { wc -l </run/beats; }

# One may have been under way.
beats_go_on()
{
    before=$(beats)
    sleep 3
    [ "$(beats)" -gt $((before + 1)) ]
}

# What the host read in the automatic pool came back to us.
host_read()
{
    value auto | grep "OSBuildNumber $(uname -r)" | sed 's/.*NetworkAddressIPv4/the host read NetworkAddressIPv4/'
}

report_services()
{
    wanted services || return
    question="$(uname -r) at $(cut -d' ' -f1 /proc/uptime) s, ä"
    row DI06.daemon "$(pidof hv_kvp_daemon >/dev/null && log_line 'KVP IC version')" 'no hv_kvp_daemon'
    row DI09.daemon "$(pidof hv_vss_daemon >/dev/null && log_line 'VSS: userspace daemon')" 'no hv_vss_daemon'
    : >/run/beats
    write_beats &
    put question "$question"
    row DI07 "$(say_if "$(await answer)" "$question" "a pair went to the host, and came back in another: $question")" \
        "the host's answer: $(value answer)"
    [ -n "$(value answer)" ] || return
    row DI06 "$(host_read)" "the host read: $(value auto)"
    row DI09.freeze "$(say_if "$(await frozen)" 'yes' "frozen after $(beats) writes")" "frozen: $(value frozen)"
    row DI09.still "$(beats_go_on || echo "no write goes through")" "writes go on: $(beats)"
    put still yes
    row DI09.thaw "$(say_if "$(await thawed)" 'yes' 'the host has thawed us')" "thawed: $(value thawed)"
    row DI09 "$(beats_go_on && echo "writes go on, $(beats) by now")" "still at $(beats) writes"
    kill $!
}
