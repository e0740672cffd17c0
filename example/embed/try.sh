#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# example/embed/try.sh TINYVM [kernel|user] - boot Debian's kernel in tinyvm, in the nested machine.
#
# For those who have the whole tree, and no processor with vmx or svm. Exits 0 if the guest and the host
# said all that they should.
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=image/lib.sh
. "$here/../../image/lib.sh"

expect=('Vmbus version:5\.3' 'heartbeat: alive' 'Greetings from the RAM disk' 'written and read back'
    'the guest is off')

main()
{
    local program engine=${2-user} kernel words status=0
    program=$(readlink -f "$1")
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    kernel=$("$here/../../image/kernel.sh" 6.1)
    "$here/../../image/initrd.sh" 6.1 --modules hv_utils --script "$here/guest.sh" "$work/initrd"
    "$here/../../nested/run.sh" --timeout 120 --share "$(dirname "$program")" --file "$kernel/vmlinuz" \
        --file "$work/initrd" -- "$program" "$engine" "$kernel/vmlinuz" "$work/initrd" \
        "console=ttyS0 quiet enlight.script=guest.sh" | tee "$work/log" || status=$?
    for words in "${expect[@]}"; do
        grep -q -a -e "$words" "$work/log" || { say "not seen: $words" && status=1; }
    done
    return "$status"
}

main "$@"
