#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# vmm/acpi/compile.sh SOURCE.asl OUT.h - compile a table to a C array named like the source.
#
# Run by the build. iasl insists on seven characters for a _HID, but VMBus's has five: -f. An error other
# than that one (6033) still fails. The date that iasl writes is left out, so that builds compare.
set -eu
name=$(basename "$1" .asl)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
iasl -f -p "$work/$name" -tc "$1" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
if grep '^Error' "$work/log" | grep -qv 6033; then
    cat "$work/log" >&2
    exit 1
fi
{
    echo "/* made by vmm/acpi/compile.sh from $name.asl */"
    sed -n "/^unsigned char/,/^};/{s/^unsigned char/static const unsigned char/;p}" "$work/$name.hex"
} >"$2"
