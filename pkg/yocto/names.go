// SPDX-License-Identifier: MPL-2.0

package yocto

import (
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// artifact is a file that bitbake has made for an image.
type artifact struct {
	file    string // its name
	image   string // IMAGE_BASENAME
	kind    string // such as tar or ext4, without the compression
	version string // date or other version in the name, "" for the link to the newest one
}

// Kinds of artifacts that have a root file system in them, the best first: those
// that keep owners, modes and attributes without the limits of a file system.
var rootKinds = []string{"tar", "cpio", "ext4", "ext3", "ext2", "squashfs", "wic"}

// packings are the extensions of compressions that can be read.
var packings = []string{".gz", ".xz", ".zst", ".bz2", ".lz4"}

// imageType splits a name before its type: "a.rootfs.tar.gz" gives "a.rootfs" and
// "tar".
func imageType(name string) (base, kind string, ok bool) {
	for _, p := range packings {
		if rest, packed := strings.CutSuffix(name, p); packed {
			name = rest
			break
		}
	}
	i := strings.LastIndexByte(name, '.')
	if i <= 0 {
		return "", "", false
	}
	base, kind = name[:i], name[i+1:]
	switch {
	case strings.HasPrefix(kind, "squashfs"): // squashfs-xz, squashfs-zst and so on
		kind = "squashfs"
	case kind == "iso", kind == "hddimg", slices.Contains(rootKinds, kind):
	default:
		return "", "", false
	}
	return base, kind, true
}

// A date is bitbake's DATETIME, or a day.
var dated = lazyregexp.New(`-([0-9]{14}|[0-9]{8})$`)

// readArtifact parses the name of an image's file. Until 2023 it is
// IMAGE-MACHINE-DATE.rootfs.TYPE with a link IMAGE-MACHINE.TYPE, then
// IMAGE-MACHINE.rootfs-DATE.TYPE with a link IMAGE-MACHINE.rootfs.TYPE.
func readArtifact(name, machine string) (artifact, bool) {
	base, kind, ok := imageType(name)
	if !ok || strings.HasSuffix(base, ".spdx") {
		return artifact{}, false
	}
	a := artifact{file: name, kind: kind}
	base, undated, found := strings.Cut(base, ".rootfs")
	switch {
	case found && undated != "":
		a.version = strings.TrimPrefix(undated, "-")
	case dated().MatchString(base):
		a.version = dated().FindStringSubmatch(base)[1]
		base = strings.TrimSuffix(base, "-"+a.version)
	}
	if image, rest, ok := cutMachine(base, machine); ok {
		base = image
		if rest != "" {
			a.version = rest
		}
	}
	if base == "" || strings.HasSuffix(base, "-dbg") || strings.HasSuffix(a.version, "dbg") { // debug symbols are not a system
		return artifact{}, false
	}
	a.image = base
	return a, true
}

// cutMachine removes the machine, and a version after it, from a name.
func cutMachine(base, machine string) (image, version string, ok bool) {
	if machine == "" {
		return base, "", false
	}
	if image, ok = strings.CutSuffix(base, "-"+machine); ok {
		return image, "", true
	}
	if i := strings.LastIndex(base, "-"+machine+"-"); i > 0 {
		return base[:i], base[i+len(machine)+2:], true
	}
	return base, "", false
}

// ramDisk are words in the names of images that start the system but are not the
// system.
var ramDisk = lazyregexp.New(`(^|-)(initramfs|initrd|minimal-initrd)(-|$)`)

// artifacts are all files that were made for the machine's images.
func (d *Deployed) artifacts() []artifact {
	var out []artifact
	for _, name := range d.names {
		if a, ok := readArtifact(name, d.Machine); ok {
			out = append(out, a)
		}
	}
	return out
}

// images are the names of images that have a root file system, sorted.
func (d *Deployed) images() []string {
	var out []string
	for _, a := range d.artifacts() {
		if slices.Contains(rootKinds, a.kind) && !ramDisk().MatchString(a.image) {
			out = append(out, a.image)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// deployedName reports whether a file may be one that bitbake deploys.
func deployedName(name string) bool {
	_, _, ok := imageType(name)
	return ok || slices.Contains(kernelNames, name) || strings.HasSuffix(name, ".dtb") || strings.HasPrefix(name, "modules-") || strings.HasPrefix(name, "u-boot")
}
