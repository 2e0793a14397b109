// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Options are the caller's choices for a machine; empty fields are derived from the
// disk.
type Options struct {
	Firmware string // bios or efi
	Bus      string // controller of the disk: ahci, ide, pvscsi, lsi, virtio or nvme; cd and ide-cd for a CD drive
	Machine  string // QEMU's -machine
	Memory   int64  // bytes
	CPUs     int
	Forwards []Forward
	Key      string // a line for the superuser's authorized_keys, which systemd in the guest receives; "" for none
}

// Forward is a TCP port of this machine's loopback address that leads to a port of
// the guest.
type Forward struct{ Host, Guest uint16 }

// network is QEMU's user network with the forwarded ports.
func (o Options) network() string {
	s := "user"
	for _, f := range o.Forwards {
		s += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-:%d", f.Host, f.Guest)
	}
	return s
}

// credential passes the key to systemd 252 or later, which reads it from the SMBIOS
// tables (systemd.system-credentials(7)).
func (o Options) credential() []string {
	if o.Key == "" {
		return nil
	}
	return []string{"-smbios", "type=11,value=io.systemd.credential:ssh.authorized_keys.root=" + escape(o.Key)}
}

// Firmware are the files of a UEFI firmware: its code, and the variables, of which
// each machine gets a copy.
type Firmware struct {
	Code, Vars string
	Package    string // Debian package
}

// Machine is a virtual machine that fits a disk.
type Machine struct {
	Program  string // such as qemu-system-x86_64
	Package  string // Debian package that has it
	Arch     string // as printed by uname -m
	Firmware *Firmware
	Bus      string // controller of the disk, "" for a card
	// DiskSize is the size that the machine requires of the disk.
	DiskSize int64

	drives []string // options of each drive except for its file: the disk, the disc, further disks
	args   []string // all other arguments
}

// Buses are the names of disk controllers for Options.Bus.
func Buses() []string {
	return []string{"ahci", "ide", "pvscsi", "lsi", "virtio", "nvme", "cd", "ide-cd"}
}

// Plan chooses the machine for a disk.
func Plan(f Facts, o Options) (Machine, error) {
	f = f.withDisc()
	if o.Bus != "" && !slices.Contains(Buses(), o.Bus) {
		return Machine{}, fmt.Errorf("disk bus %q is not one of %s", o.Bus, strings.Join(Buses(), ", "))
	}
	if o.Firmware != "" && o.Firmware != "bios" && o.Firmware != "efi" {
		return Machine{}, fmt.Errorf("firmware %q is neither bios nor efi", o.Firmware)
	}
	switch {
	case f.Board != "":
		return boardMachine(f, o)
	case slices.Contains(f.EFI, "x64") && o.Firmware == "efi", f.BIOS && o.Firmware != "efi":
		return pc(f, o, o.Firmware == "efi")
	case slices.Contains(f.EFI, "x64") && o.Firmware == "":
		return pc(f, o, true)
	case slices.Contains(f.EFI, "aa64") && o.Firmware != "bios":
		return virt(f, o)
	case !f.Bootable():
		return Machine{}, fmt.Errorf("it contains nothing that a machine can boot: neither boot code, nor an EFI loader, nor a board's boot program")
	case o.Firmware == "efi":
		return Machine{}, fmt.Errorf("it has no EFI loader (/EFI/BOOT/BOOTX64.EFI or BOOTAA64.EFI on a FAT partition)")
	case o.Firmware == "bios":
		return Machine{}, fmt.Errorf("it has no boot code for a BIOS in its first sector")
	}
	return Machine{}, fmt.Errorf("no machine is known for EFI loaders of %s only", strings.Join(f.EFI, ", "))
}

// EFIReads reports whether the UEFI firmware for QEMU can read disks on a bus, ""
// for the one that is chosen.
func EFIReads(bus string) bool { return bus != "pvscsi" && bus != "lsi" }

// pc is an x86-64 machine with VMware's network card.
func pc(f Facts, o Options, efi bool) (Machine, error) {
	m := Machine{Program: "qemu-system-x86_64", Package: "qemu-system-x86", Arch: "x86_64", DiskSize: f.Size, drives: []string{"id=d0,if=none"}}
	if strings.HasSuffix(o.Bus, "cd") {
		m.drives[0] += ",readonly=on"
	}
	machine := "q35"
	if strings.HasPrefix(o.Bus, "ide") || f.Disc != nil { // it has the same IDE controllers as VMware's machines
		machine = "pc"
	}
	m.args = append(common(o, machine, "max"), "-nodefaults", "-device", "virtio-rng-pci")
	buses := []string{"ahci", "virtio", "nvme", "pvscsi", "lsi"}
	if efi {
		buses = buses[:3] // the firmware has no driver for the others
	}
	m.Bus = chooseBus(f, o, buses...)
	m.args = append(m.args, controller(m.Bus)...)
	if err := m.attachMore(f); err != nil {
		return Machine{}, err
	}
	m.args = append(m.args, "-netdev", o.network()+",id=n0", "-device", "vmxnet3,netdev=n0,romfile=")
	m.args = append(m.args, o.credential()...)
	if efi {
		if !EFIReads(o.Bus) {
			return Machine{}, fmt.Errorf("no UEFI firmware for QEMU reads disks on bus %s: choose another, or firmware bios", o.Bus)
		}
		m.Firmware = &Firmware{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd", "ovmf"}
	}
	return m, nil
}

// virt is a generic 64-bit ARM machine.
func virt(f Facts, o Options) (Machine, error) {
	if strings.HasSuffix(o.Bus, "cd") {
		return Machine{}, fmt.Errorf("no CD drive is known for ARM machines: choose another bus")
	}
	if f.Disc != nil || f.More > 0 {
		return Machine{}, fmt.Errorf("the ARM machine has one disk and no CD drive, and the image has more")
	}
	m := Machine{
		Program: "qemu-system-aarch64", Package: "qemu-system-arm", Arch: "aarch64", DiskSize: f.Size, drives: []string{"id=d0,if=none"},
		Firmware: &Firmware{"/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd", "qemu-efi-aarch64"},
	}
	m.args = append(common(o, "virt", "cortex-a72"), "-nodefaults", "-device", "virtio-rng-pci")
	m.Bus = chooseBus(f, o, "virtio", "nvme", "ahci")
	m.args = append(m.args, controller(m.Bus)...)
	m.args = append(m.args, "-netdev", o.network()+",id=n0", "-device", "virtio-net-pci,netdev=n0,romfile=")
	m.args = append(m.args, o.credential()...)
	return m, nil
}

// boardMachine is a board with an Allwinner chip. Its memory, processors and
// devices are those of the board; its card's size must be a power of two.
func boardMachine(f Facts, o Options) (Machine, error) {
	if o.Key != "" {
		return Machine{}, fmt.Errorf("a board has no SMBIOS tables, in which a guest could get an ssh key: put your key into the declaration instead")
	}
	machine := o.Machine
	if machine == "" {
		for _, b := range []struct{ chip, machine string }{{"sun8i-h3-", "orangepi-pc"}, {"sun8i-h2-plus-", "orangepi-pc"}, {"sun4i-a10-", "cubieboard"}, {"sun7i-a20-", "cubieboard"}} {
			if strings.HasPrefix(f.Board, b.chip) {
				machine = b.machine
			}
		}
	}
	if machine == "" {
		return Machine{}, fmt.Errorf("no QEMU machine is known for the board %s: name one with --machine", f.Board)
	}
	size := f.Size
	if size&(size-1) != 0 {
		size = 1 << bits.Len64(uint64(size))
	}
	m := Machine{Program: "qemu-system-arm", Package: "qemu-system-arm", Arch: "armv7l", DiskSize: size, drives: []string{"if=sd"}}
	m.args = []string{"-machine", machine, "-display", "none", "-no-reboot", "-nic", o.network()}
	return m, nil
}

// common are the arguments of machines whose devices can be chosen.
func common(o Options, machine, cpu string) []string {
	memory, cpus := o.Memory, o.CPUs
	if memory == 0 {
		memory = 1 << 30
	}
	if cpus == 0 {
		cpus = 1
	}
	return []string{
		"-machine", cmp.Or(o.Machine, machine), "-cpu", cpu, "-m", strconv.FormatInt(memory>>20, 10), "-smp", strconv.Itoa(cpus), "-display", "none", "-no-reboot",
	}
}

// controller attaches the drive d0.
func controller(bus string) []string {
	switch bus {
	case "ide":
		return []string{"-device", "ide-hd,drive=d0,bus=ide.0,bootindex=1"}
	case "pvscsi":
		return []string{"-device", "pvscsi,id=s0", "-device", "scsi-hd,drive=d0,bus=s0.0,bootindex=1"}
	case "lsi":
		return []string{"-device", "lsi53c895a,id=s0", "-device", "scsi-hd,drive=d0,bus=s0.0,bootindex=1"}
	case "virtio":
		return []string{"-device", "virtio-blk-pci,drive=d0,bootindex=1"}
	case "cd":
		return []string{"-device", "ich9-ahci,id=sata9", "-device", "ide-cd,drive=d0,bus=sata9.0,bootindex=1"}
	case "ide-cd":
		return []string{"-device", "ide-cd,drive=d0,bus=ide.0,bootindex=1"}
	case "nvme":
		return []string{"-device", "nvme,drive=d0,serial=carosbuild,bootindex=1"}
	}
	return []string{"-device", "ich9-ahci,id=sata9", "-device", "ide-hd,drive=d0,bus=sata9.0,bootindex=1"}
}

// attachMore attaches the disc in the drive and the further disks. Firmware tries
// the disk before the disc, as VMware's does.
func (m *Machine) attachMore(f Facts) error {
	if f.Disc != nil {
		m.drives = append(m.drives, "id=cd0,if=none,readonly=on")
		m.args = append(m.args, "-device", "ide-cd,drive=cd0,bus=ide.1,bootindex=2")
	}
	if most := map[string]int{"ide": 1, "ahci": 5, "": 5, "pvscsi": 6, "lsi": 6, "virtio": 6, "nvme": 6}[m.Bus]; f.More > most {
		return fmt.Errorf("%d further disks: bus %s has room for %d", f.More, m.Bus, most)
	}
	for i := 1; i <= f.More; i++ {
		id := fmt.Sprintf("d%d", i)
		m.drives = append(m.drives, "id="+id+",if=none")
		m.args = append(m.args, "-device", furtherDisk(m.Bus, id, i))
	}
	return nil
}

// furtherDisk is the n-th disk, from 0, beside the one that controller attaches.
func furtherDisk(bus, drive string, n int) string {
	switch bus {
	case "ide":
		return "ide-hd,drive=" + drive + ",bus=ide.0,unit=1"
	case "pvscsi", "lsi":
		return fmt.Sprintf("scsi-hd,drive=%s,bus=s0.0,scsi-id=%d", drive, n)
	case "virtio":
		return "virtio-blk-pci,drive=" + drive
	case "nvme":
		return fmt.Sprintf("nvme,drive=%s,serial=carosbuild%d", drive, n)
	}
	return fmt.Sprintf("ide-hd,drive=%s,bus=sata9.%d", drive, n)
}

// Arguments are the command line of the machine. Overlays are the qcow2 files of
// its drives, vars the copy of the firmware's variables, accel an accelerator. With
// mux, standard input and output are connected to the console and QEMU's own prompt
// (Ctrl-a x ends it); otherwise only to the console.
func (m Machine) Arguments(overlays []string, vars, accel string, mux bool) []string {
	serial := "stdio"
	if mux {
		serial = "mon:stdio"
	}
	args := append(slices.Clone(m.args), "-accel", accel, "-serial", serial)
	if !mux {
		args = append(args, "-monitor", "none")
	}
	for i, d := range m.drives {
		args = append(args, "-drive", d+",format=qcow2,cache=unsafe,file="+escape(overlays[i]))
	}
	if m.Firmware != nil {
		args = append(args, "-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+escape(m.Firmware.Code),
			"-drive", "if=pflash,unit=1,format=raw,file="+escape(vars))
	}
	return args
}

// escape doubles commas, which end a value in QEMU's options.
func escape(s string) string { return strings.ReplaceAll(s, ",", ",,") }
