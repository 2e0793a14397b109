// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"fmt"
	"io"
)

// discName is the name of a disc's file in the archive, for which tar has 100
// bytes.
func discName(s string) string {
	s = odd().ReplaceAllString(s, "_")
	return s[max(len(s)-maxName, 0):]
}

// planDisc chooses the disc's name and reserves space for its digest.
func (a *archive) planDisc() error {
	if a.vm.CDROM == nil {
		return nil
	}
	d := *a.vm.CDROM
	d.Name = discName(d.Name)
	for _, name := range []string{a.descriptorName(), a.name + manifestEnding, a.name + certificateEnding} {
		if d.Name == name {
			return fmt.Errorf("the disc's file cannot be called %s: another file in the archive has that name", name)
		}
	}
	for _, x := range a.disks {
		if d.Name == x.File {
			return fmt.Errorf("the disc's file cannot be called %s: another file in the archive has that name", d.Name)
		}
	}
	a.vm.CDROM = &d
	a.sums = append(a.sums, make([]byte, a.newHash().Size()))
	return nil
}

// disc writes the disc, the last member.
func (a *archive) disc() error {
	d := a.vm.CDROM
	if d == nil {
		return nil
	}
	a.sum = a.newHash()
	to := io.MultiWriter(io.NewOffsetWriter(a.w, a.at+block), a.sum)
	n, err := io.CopyBuffer(onlyWriter{to}, io.NewSectionReader(d.Content, 0, d.Size), make([]byte, 1<<20))
	if err == nil && n < d.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", d.Name, err)
	}
	return a.member(len(a.disks), d.Name, d.Size)
}

// onlyWriter makes io.CopyBuffer use its buffer.
type onlyWriter struct{ io.Writer }

// fileID is the id of the i-th disk's file.
func (vm VM) fileID(i int) string {
	if vm.Profile == Classic && vm.CDROM != nil { // where the first file is the disc
		i++
	}
	return fmt.Sprintf("file%d", i+1)
}

// discID is the id of the disc's file, when there are that many disks.
func (vm VM) discID(disks int) string {
	if vm.Profile == Classic {
		return "file1"
	}
	return fmt.Sprintf("file%d", disks+1)
}

// ide1 is the second of the two IDE controllers of a virtual machine, to which
// VMware's products attach the CD-ROM drive.
func ide1() item {
	return item{Type: typeIDE, Address: "1", ElementName: "IDE controller 1", Description: "IDE controller"}
}

// drive is the CD-ROM drive on a controller, when there are that many disks.
func (vm VM) drive(disks int, parent string) item {
	return item{
		Type: typeCD, ElementName: "CD-ROM drive 1", HostResource: "ovf:/file/" + vm.discID(disks),
		Parent: parent, AddressOnParent: "0", AutomaticAllocation: "true",
	}
}
