# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: BSD-2-Clause
#
# test/guest/lib.sh - for the scripts beside it: where KVM is, and a line for each thing that was looked at.
tree=$(readlink -f "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../..")
boot_seconds=60

# where_kvm_is SCRIPT BUILD: run SCRIPT --here BUILD where the CPU has virtualization, else in one nested machine with
# one CPU (the emulated SVM does not stand kicks between CPUs, doc/nested.md).
where_kvm_is()
{
    local status
    if grep -q -w -E 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
        "$1" --here "$2"
        return
    fi
    "$tree/nested/run.sh" --cpus 1 --memory 1024 --timeout 240 --share "$tree" --share "$2" -- "$1" --here "$2"
    status=$?
    [ $status -lt 124 ] || echo "not ok - the nested machine ended with status $status"
    return $status
}

# verdict STATUS TEXT: of the guest called $name.
# shellcheck disable=SC2154 # the caller's
verdict()
{
    if [ "$1" -eq 0 ]; then echo "ok - $name: $2"; else echo "not ok - $name: $2"; fi
}

# A test is skipped where what it needs is not announced. That is told only of those that an
# engine has run nowhere; and a guest that starts many times says everything once.
summary()
{
    awk '!/^(ok|not ok) - / { print; next }
        { line = $0; sub(/^not /, ""); split($3, word, ":"); test = word[1] ": " $4 }
        /# SKIP/ { skipped[test] = substr(line, index(line, "# SKIP")); next }
        { ran[test] = 1; if (!seen[line]++) print line; fflush() }
        END { for (test in skipped) if (!(test in ran)) print "ok - " test " " skipped[test] }'
}
