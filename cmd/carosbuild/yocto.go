// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.
package main

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/carosio/carosbuild/pkg/build"
	"github.com/carosio/carosbuild/pkg/decl"
)

// placeDisks finds the stages of the disks that name none.
func placeDisks(d *decl.Declaration, disks []diskOutputs) error {
	var all decl.Findings
	for i, p := range disks {
		why, err := build.PlaceDisk(d, p.disk)
		var wrong *build.DeclarationError
		switch {
		case errors.As(err, &wrong):
			all = append(all, wrong.Findings...)
		case err != nil:
			return err
		}
		disks[i].why = why
	}
	if len(all) > 0 {
		return &build.DeclarationError{Findings: all}
	}
	for _, k := range d.Disks { // what is built without one is noted as the disk's all the same
		if _, err := build.PlaceDisk(d, k); err != nil {
			continue // nobody asks for it
		}
	}
	return nil
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// yoctoOverlays are the built-in declarations with a disk for what bitbake
// deploys, by patterns of MACHINE.
var yoctoOverlays = []struct{ machine, overlay string }{
	{"vmware*", "yocto-vmware.xml"},
	{"virtualbox*", "yocto-vmware.xml"},
	{"sun[0-9]*", "yocto-sunxi.xml"},
	{"*lamobo*", "yocto-sunxi.xml"},
	{"*bananapi*", "yocto-sunxi.xml"},
	{"orange-pi*", "yocto-sunxi.xml"},
	{"genericx86*", "yocto-efi.xml"},
	{"qemux86*", "yocto-efi.xml"},
	{"intel-*", "yocto-efi.xml"},
	{"*arm64*", "yocto-efi.xml"},
}

// overlayHint says which built-in overlay has a disk for a declaration that runs
// bitbake.
func overlayHint(files []string, d *decl.Declaration) string {
	if !build.RunsBitbake(d) {
		return ""
	}
	machine := build.Machine(d)
	for _, o := range yoctoOverlays {
		if ok, err := path.Match(o.machine, machine); ok && err == nil {
			return fmt.Sprintf("; for machine %s there is a built-in one: carosbuild %s %s --out ...", machine, strings.Join(files, " "), o.overlay)
		}
	}
	return "; built-in ones for what bitbake deploys are yocto-vmware.xml, yocto-efi.xml and yocto-sunxi.xml: name one behind the declaration"
}
