#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# vmm/acpi/cpus.sh COUNT - print an SSDT with COUNT processor devices.
#
# Run by the build. Each device is a whole object at the root of the table, so that acpi.c can cut the table
# behind the processors that the machine has.
count=$1 n=0
cat <<'END'
DefinitionBlock ("cpus.aml", "SSDT", 2, "ENLGHT", "ENLCPUS", 0x00000001)
{
END
while [ "$n" -lt "$count" ]; do
    printf '    Device (\\_SB.C%03X) { Name (_HID, "ACPI0007") Name (_UID, %d) }\n' "$n" "$n"
    n=$((n + 1))
done
echo '}'
