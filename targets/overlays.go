// SPDX-License-Identifier: MPL-2.0

package targets

import (
	"path"
	"slices"
)

// Overlay is a declaration with a disk for what bitbake deploys, to be laid over one
// that runs bitbake. The disk has the file's name without its ending.
type Overlay struct {
	File  string
	What  string    // it is for
	Kinds []string  // of machines that it is for
	Best  []Machine // machines that it fits best
}

// Machine says by a pattern of bitbake's MACHINE of what kind a machine is.
type Machine struct{ Pattern, Kind string }

// Kinds of machines.
const (
	pc        = "pc"
	arm64     = "arm64"
	allwinner = "allwinner"
)

// Overlays are all of them. The first pattern that a machine's name matches counts.
func Overlays() []Overlay {
	return []Overlay{
		{"yocto-vmware.xml", "virtual PCs", []string{pc}, []Machine{{"vmware*", pc}, {"virtualbox*", pc}}},
		{"yocto-vmware-classic.xml", "virtual PCs", []string{pc}, nil},
		{"yocto-sunxi.xml", "boards of Allwinner", []string{allwinner}, []Machine{
			{"sun[0-9]*", allwinner}, {"*lamobo*", allwinner}, {"*bananapi*", allwinner}, {"orange-pi*", allwinner},
		}},
		{"yocto-efi.xml", "PCs and ARM servers with UEFI", []string{pc, arm64}, []Machine{
			{"genericx86*", pc}, {"qemux86*", pc}, {"intel-*", pc}, {"*arm64*", arm64},
		}},
	}
}

// Fitting is the overlay that fits a machine best, "" if that is not known, and the
// kind of the machine.
func Fitting(machine string) (file, kind string) {
	for _, o := range Overlays() {
		for _, m := range o.Best {
			if ok, err := path.Match(m.Pattern, machine); ok && err == nil {
				return o.File, m.Kind
			}
		}
	}
	return "", ""
}

// OverlayNamed is the overlay in a file.
func OverlayNamed(file string) (Overlay, bool) {
	all := Overlays()
	i := slices.IndexFunc(all, func(o Overlay) bool { return o.File == file })
	if i < 0 {
		return Overlay{}, false
	}
	return all[i], true
}
