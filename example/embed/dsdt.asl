/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The devices of tinyvm. hv_vmbus binds to VMBS; the windows of its parent are where VMBus
 * devices find room for MMIO. ("VMBus" has too few letters for a _HID that iasl accepts, so
 * it stands in the _CID; Linux looks there as well.)
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "TINYVM", "EXAMPLE", 1)
{
	Name (\_S5, Package () { 5, 0, 0, 0 })

	Device (\_SB.VMOD)
	{
		Name (_HID, "VMOD0001")
		Name (_CRS, ResourceTemplate ()
		{
			DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
				NonCacheable, ReadWrite,
				0, 0xF8000000, 0xFEBFFFFF, 0, 0x06C00000)
			QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
				NonCacheable, ReadWrite,
				0, 0x100000000, 0x1FFFFFFFF, 0, 0x100000000)
		})
		Device (VMBS)
		{
			Name (_HID, "MSFT1000")
			Name (_CID, "VMBus")
		}
	}

	Device (\_SB.COM1)
	{
		Name (_HID, EisaId ("PNP0501"))
		Name (_CRS, ResourceTemplate ()
		{
			IO (Decode16, 0x03F8, 0x03F8, 1, 8)
			IRQ (Edge, ActiveHigh, Exclusive) { 4 }
		})
	}
}
