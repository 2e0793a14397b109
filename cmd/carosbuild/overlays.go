// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/build"
	"github.com/carosio/carosbuild/pkg/decl"
)

// overlay is a built-in declaration with a disk for what bitbake deploys. The
// disk has the file's name without its ending.
type overlay struct {
	file   string
	what   string   // it is for
	boards []string // likewise, as yoctoMachines has them
}

var overlays = []overlay{
	{"yocto-vmware.xml", "virtual PCs", []string{"pc"}},
	{"yocto-vmware-classic.xml", "virtual PCs", []string{"pc"}},
	{"yocto-efi.xml", "PCs and ARM servers with UEFI", []string{"pc", "arm64"}},
	{"yocto-sunxi.xml", "boards of Allwinner", []string{"allwinner"}},
}

// yoctoMachines says by patterns of MACHINE what kind of machine it is, and which
// overlay fits best.
var yoctoMachines = []struct{ machine, board, overlay string }{
	{"vmware*", "pc", "yocto-vmware.xml"},
	{"virtualbox*", "pc", "yocto-vmware.xml"},
	{"sun[0-9]*", "allwinner", "yocto-sunxi.xml"},
	{"*lamobo*", "allwinner", "yocto-sunxi.xml"},
	{"*bananapi*", "allwinner", "yocto-sunxi.xml"},
	{"orange-pi*", "allwinner", "yocto-sunxi.xml"},
	{"genericx86*", "pc", "yocto-efi.xml"},
	{"qemux86*", "pc", "yocto-efi.xml"},
	{"intel-*", "pc", "yocto-efi.xml"},
	{"*arm64*", "arm64", "yocto-efi.xml"},
}

// fitting is the overlay that fits a machine best, "" if that is not known, and
// the kind of machine.
func fitting(machine string) (file, board string) {
	for _, m := range yoctoMachines {
		if ok, err := path.Match(m.machine, machine); ok && err == nil {
			return m.overlay, m.board
		}
	}
	return "", ""
}

// overlayNamed is the overlay of a file, nil if it is none.
func overlayNamed(file string) *overlay {
	for i, o := range overlays {
		if o.file == file {
			return &overlays[i]
		}
	}
	return nil
}

// overlayHint says which built-in overlay has a disk for a declaration that runs
// bitbake. Command makes a command of the overlay's name.
func overlayHint(d *decl.Declaration, command func(overlay string) string) string {
	if !build.RunsBitbake(d) {
		return ""
	}
	machine := build.Machine(d)
	if file, _ := fitting(machine); file != "" {
		return fmt.Sprintf("; for machine %s there is a built-in one: %s", machine, command(file))
	}
	return "; built-in ones for what bitbake deploys are yocto-vmware.xml, yocto-efi.xml and yocto-sunxi.xml: " + command("OVERLAY")
}

// overBuild is a build with an overlay.
func (c *buildCommand) overBuild(overlay string) string {
	return fmt.Sprintf("carosbuild %s %s --out ...", quoteArgs(c.declFiles), overlay)
}

// expectedMachine is the machine whose files a disk takes, "" for the only one.
func expectedMachine(k *decl.Disk) string {
	switch {
	case k.Deploy == nil:
		return ""
	case k.Deploy.Machine != "":
		return k.Deploy.Machine
	}
	return k.Deploy.LikelyMachine
}

// expectedImage is the image that a disk is likely made from, "" if the targets do
// not tell: images have the word in their names, and packagegroups have not.
func expectedImage(k *decl.Disk) string {
	switch {
	case k.Deploy == nil:
		return ""
	case k.Deploy.Image != "":
		return k.Deploy.Image
	}
	i := slices.IndexFunc(k.Deploy.LikelyImages, func(name string) bool { return strings.Contains(name, "image") })
	if i < 0 {
		return ""
	}
	return k.Deploy.LikelyImages[i]
}

// expected says for a plan which deployed files a disk takes.
func expected(k *decl.Disk) string {
	if k.Deploy == nil {
		return ""
	}
	machine, image := "the only machine", "the only image"
	if m := expectedMachine(k); m != "" {
		machine = "machine " + m
	}
	if i := expectedImage(k); i != "" {
		image = "image " + i
	}
	return "takes what bitbake deploys for " + machine + " and " + image
}

// warnOverlays warns of overlays that are for other machines than the one that is
// built for, and of those that are laid over nothing.
func (c *buildCommand) warnOverlays(disks []diskOutputs) {
	for _, p := range disks {
		o, machine := overlayNamed(p.disk.ID+".xml"), expectedMachine(p.disk)
		if o == nil || p.disk.Span.File != o.file {
			continue
		}
		if fits, board := fitting(machine); fits != "" && !slices.Contains(o.boards, board) {
			c.warnf("%s is for %s, but MACHINE is %s: use %s", o.file, o.what, machine, fits)
		}
	}
	alone := len(c.declFiles) > 0
	for _, f := range c.declFiles {
		alone = alone && overlayNamed(f) != nil
	}
	if alone {
		c.warnf("%s is laid over a declaration that runs bitbake: carosbuild YOURS.xml %s", c.declFiles[0], c.declFiles[0])
	}
}
