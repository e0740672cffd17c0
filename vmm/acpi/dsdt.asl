/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/acpi/dsdt.asl - the devices of a generation 2 machine
 *
 * Compiled at build time; acpi.c gives the Names LMIN to HLEN their values at start, and
 * takes _S4 away where the guest is not to hibernate. The windows of VMOD are what VMBus
 * devices get their MMIO from: they end below the TPM's place at 0xFED40000.
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "ENLGHT", "ENLIGHT", 0x00000001)
{
    Name (\LMIN, 0x11111111)
    Name (\LLEN, 0x22222222)
    Name (\HMIN, 0x3333333333333333)
    Name (\HLEN, 0x4444444444444444)

    Name (\_S4, Package () { 0x04, 0x00, 0x00, 0x00 })
    Name (\_S5, Package () { 0x05, 0x00, 0x00, 0x00 })

    Scope (\_SB)
    {
        Device (VMOD)
        {
            Name (_HID, "VMOD0001")
            Name (_UID, Zero)
            Name (WNDS, ResourceTemplate ()
            {
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
                    NonCacheable, ReadWrite,
                    0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, , , WLOW)
                QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
                    NonCacheable, ReadWrite,
                    0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
                    0x0000000000000000, 0x0000000000000000, , , WHIG)
            })
            Method (_CRS, 0, Serialized)
            {
                CreateDWordField (WNDS, \_SB.VMOD.WLOW._MIN, LOMI)
                CreateDWordField (WNDS, \_SB.VMOD.WLOW._MAX, LOMA)
                CreateDWordField (WNDS, \_SB.VMOD.WLOW._LEN, LOLE)
                CreateQWordField (WNDS, \_SB.VMOD.WHIG._MIN, HIMI)
                CreateQWordField (WNDS, \_SB.VMOD.WHIG._MAX, HIMA)
                CreateQWordField (WNDS, \_SB.VMOD.WHIG._LEN, HILE)
                LOMI = \LMIN
                LOLE = \LLEN
                LOMA = \LMIN + \LLEN - 1
                HIMI = \HMIN
                HILE = \HLEN
                HIMA = \HMIN + \HLEN - 1
                Return (WNDS)
            }

            Device (VMBS)
            {
                Name (STAT, 0x0F)
                Name (_HID, "VMBUS")
                Name (_UID, Zero)
                Name (_CRS, ResourceTemplate () { })
                Method (_STA) { Return (STAT) }
                Method (_DIS) { STAT &= 0x0D }
                Method (_PS0) { STAT |= 0x0F }
                Method (_PS3) { }
            }
        }

        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, One)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03F8, 0x03F8, 0x01, 0x08)
                IRQ (Edge, ActiveHigh, Exclusive) { 4 }
            })
        }

        Device (RTC)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0070, 0x0070, 0x01, 0x02)
            })
        }
    }
}
