// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// Drives are the contents of the drives of an archive's machine.
type Drives struct {
	Disks      []File // in the order of the machine's items
	Disc       *File  // content of the CD-ROM drive; nil for none
	Controller Controller
	Firmware   string // bios or efi, "" if the descriptor does not state it
}

// File is the place of a member's content in the archive.
type File struct {
	Name     string
	Off, Len int64 // bytes
}

// ReadDrives reads the descriptor of an archive of size bytes. Files that it refers
// to and that are not in the archive are left out: Check reports those.
func ReadDrives(r io.ReaderAt, size int64) (Drives, error) {
	c := &checker{r: &faults{ReaderAt: r}, size: size}
	c.readMembers()
	if len(c.members) == 0 || path.Ext(c.members[0].name) != descriptorEnding {
		return Drives{}, errors.New("read OVA: it has no descriptor")
	}
	b := c.metadata(&c.members[0])
	if c.r.err != nil {
		return Drives{}, fmt.Errorf("read OVA: %w", c.r.err)
	}
	e, err := parseDescriptor(b)
	if err != nil {
		return Drives{}, fmt.Errorf("read OVF descriptor: %w", err)
	}
	var d Drives
	files := c.resourceFiles(e)
	for _, s := range e.Systems {
		for _, h := range s.Hardware {
			d.add(h, files)
		}
	}
	return d, nil
}

// resourceFiles are the members that a HostResource can refer to, without its
// "ovf:".
func (c *checker) resourceFiles(e *ovfEnvelope) map[string]File {
	files := map[string]File{}
	for _, f := range e.References {
		name, err := url.PathUnescape(f.Href)
		if m := c.member(name); m != nil && err == nil {
			files["/file/"+f.ID] = File{m.name, m.off, m.size}
		}
	}
	if e.Disks == nil {
		return files
	}
	for _, d := range e.Disks.Disks {
		if f, ok := files["/file/"+d.FileRef]; ok {
			files["/disk/"+d.ID] = f
		}
	}
	return files
}

// add adds the drives of a machine's hardware.
func (d *Drives) add(h ovfHardware, files map[string]File) {
	controllers := map[string]Controller{}
	for _, it := range h.Items {
		for _, c := range []Controller{PVSCSI, LSILogic, LSISAS, AHCI, NVMe} {
			if it.ResourceSubType == c.subType() {
				controllers[it.InstanceID] = c
			}
		}
	}
	for _, it := range h.Items {
		kind, _ := strconv.Atoi(it.ResourceType) // none of them is 0
		for _, resource := range it.HostResource {
			f, ok := files[strings.TrimPrefix(resource, "ovf:")]
			switch {
			case !ok:
			case kind == typeDisk:
				if len(d.Disks) == 0 {
					d.Controller = controllers[it.Parent]
				}
				d.Disks = append(d.Disks, f)
			case kind == typeCD && d.Disc == nil:
				d.Disc = &f
			}
		}
	}
	for _, c := range h.Config {
		if c.Key == "firmware" {
			d.Firmware = c.Value
		}
	}
}
