// SPDX-License-Identifier: MPL-2.0

package ova

// The appliances that meta-vmware's class image-ova made for redomat (CarOS 15.03
// to 16.04): an empty disk, and a live ISO with an installer in the drive, with the
// same ids, addresses and PCI slots of all devices. One thing differs: the
// References list the files in the order of the archive, as DSP0243 requires,
// although the disc's file is file1 and comes last.

// nobody is the user and group of all members.
const nobody = 65534

const (
	gibibyte = 1 << 30

	classicIDE     = "3" // InstanceID
	classicSCSI    = "4"
	classicDisk    = 7
	classicNIC     = 9 // regardless of the number of disks, up to two
	slotConfig     = "slotInfo.pciSlotNumber"
	classicVMCI    = "33"
	classicTimeout = 180
)

// classicSlots are the PCI slots of the first network interfaces.
var classicSlots = []string{"32", "34", "35"}

// classic adds what those machines have.
func (vm VM) classic() VM {
	if vm.Name == "" && vm.Product != "" && vm.Version != "" {
		vm.Name = vm.Product + "-" + vm.Version + "_vAPP"
	}
	if vm.Hardware == "" {
		vm.Hardware = "vmx-07 vmx-08"
	}
	if vm.Guest == "" {
		vm.Guest = "otherGuest64"
	}
	if len(vm.Networks) == 0 {
		vm.Networks = []string{"ALL VLANs"}
	}
	return vm
}

// makeClassic states the size in GiB if it is a multiple of that.
func (d *diskDesc) makeClassic(empty bool) {
	if d.Capacity%gibibyte == 0 {
		d.Capacity, d.Units = d.Capacity/gibibyte, "byte * 2^30"
	}
	if empty {
		d.Populated = "0"
	}
}

func (s *virtualSystem) makeClassic() {
	s.Install = &installSection{Required: "false", InitialBoot: "true", StopDelay: classicTimeout, Info: "The first boot installs the system"}
	if s.Product != nil {
		s.Product.Class = "ultra"
	}
}

func (vm VM) classicHardware(disks int) hardwareSection {
	h := hardwareSection{
		Info:   "Virtual hardware",
		System: settings{"Virtual Hardware Family", 0, vm.Name, vm.Hardware},
		Config: vm.config(),
	}
	add := func(id int, it item) {
		it.InstanceID = id
		h.Items = append(h.Items, it)
	}
	bus := vmci()
	bus.Config = append(bus.Config, configs(slotConfig, classicVMCI)...)
	for i, it := range []item{vm.processors(), vm.memory(), ide1(), vm.controller(), video(), bus} {
		add(i+1, it)
	}
	for i := range disks {
		d := vm.disk(i)
		d.Parent = classicSCSI
		add(classicDisk+i, d)
	}
	next := max(classicNIC, classicDisk+disks)
	for i := range vm.NICs {
		n := vm.nic(i)
		n.AutomaticAllocation = "false"
		if i < len(classicSlots) {
			n.Config = append(n.Config[:1:1], append(configs(slotConfig, classicSlots[i]), n.Config[1:]...)...)
		}
		add(next, n)
		next++
	}
	if vm.CDROM != nil {
		add(next, vm.drive(disks, classicIDE))
	}
	return h
}
