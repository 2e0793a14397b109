// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// elfMachines are the architectures of ELF files.
var elfMachines = map[uint16]string{3: "i386", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}

// root is the volume with the operating system, or nil.
func (d *Disk) root() *volume {
	for _, v := range d.volumes {
		if _, err := release(v.files()); err == nil {
			return v
		}
	}
	return nil
}

// release is the file os-release of a tree.
func release(t *tree.Tree) (*tree.Entry, error) {
	e, err := lookup(t, "etc/os-release")
	if err != nil {
		e, err = lookup(t, "usr/lib/os-release")
	}
	return e, err
}

// os reads os-release and examines a program.
func (d *Disk) os() *OS {
	v := d.root()
	if v == nil {
		return nil
	}
	o := &OS{Partition: v.Number}
	if e, err := release(v.files()); err == nil {
		values := assignments(string(head(e, maxText)))
		o.ID, o.Version, o.Name = clean(values["ID"]), clean(values["VERSION_ID"]), clean(values["PRETTY_NAME"])
	}
	for _, name := range []string{"sbin/init", "bin/sh", "bin/busybox"} {
		e, err := lookup(v.files(), name)
		if err != nil {
			continue
		}
		if p := head(e, 20); len(p) == 20 && string(p[:4]) == "\x7fELF" {
			o.Arch = elfMachines[le.Uint16(p[18:])]
			break
		}
	}
	return o
}
