// SPDX-License-Identifier: MPL-2.0

package yocto

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// Error says what is missing in a deploy directory, or ambiguous.
type Error struct {
	Text   string
	Remedy string // what to write or run
	// Missing is the kind of which no file is deployed, or "" if the error is another
	// one.
	Missing Kind
}

func (e *Error) Error() string { return e.Text }

// IsMissing reports whether an error says that no file of a kind is deployed.
func IsMissing(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Missing != ""
}

// Hint is the remedy.
func (e *Error) Hint() string { return e.Remedy }

// missing says that there is no file of a kind.
func (d *Deployed) missing(k Kind) error {
	what := map[Kind]string{
		RootFS: "root file system", Kernel: "kernel", DTB: "device tree", Modules: "archive of kernel modules", UBoot: "u-boot",
		Bootscript: "boot script", SystemdBoot: "systemd-boot", GRUB: "GRUB for EFI", Stub: "EFI stub of systemd", ISO: "live ISO",
	}[k]
	looked := map[Kind]string{
		RootFS: "*.tar.*, *.cpio.*, *.ext4, *.ext3, *.ext2, *.squashfs, *.wic, and the directory in " + d.workDir(), Kernel: strings.Join(kernelNames, ", "), DTB: "*.dtb",
		Modules: "modules-*.tgz", UBoot: "u-boot*.bin, u-boot.img, u-boot.itb", Bootscript: "*.scr", SystemdBoot: "systemd-boot*.efi",
		GRUB: "grub-efi-boot*.efi, boot*.efi", Stub: "linux*.efi.stub", ISO: "*.iso",
	}[k]
	of := ""
	if d.Image != "" && (k == RootFS || k == ISO) {
		of = " of " + d.Image
	}
	return &Error{
		Missing: k,
		Text:    fmt.Sprintf("no %s%s is deployed in /%s; there is: %s", what, of, d.Dir, orNone(d.short())),
		Remedy:  d.remedy(k) + " (looked for " + looked + ")",
	}
}

func (d *Deployed) workDir() string {
	if d.build == "" {
		return "the work directory"
	}
	return "/" + d.build + "/work"
}

// short lists the names of files that have no date in them, or all if every name
// has one.
func (d *Deployed) short() []string {
	out := slices.DeleteFunc(slices.Clone(d.names), func(n string) bool { return inName().MatchString(n) })
	if len(out) == 0 {
		return d.names
	}
	return out
}

// remedy is the setting that makes bitbake deploy a file of a kind. Machines set
// IMAGE_FSTYPES after local.conf, so that += there would be lost.
func (d *Deployed) remedy(k Kind) string {
	added := "IMAGE_FSTYPES:append"
	if d.Old {
		added = "IMAGE_FSTYPES_append"
	}
	line := map[Kind]string{
		RootFS:      added + ` = " tar.gz"`,
		Kernel:      `EXTRA_IMAGEDEPENDS += "virtual/kernel"`,
		DTB:         `KERNEL_DEVICETREE = "BOARD.dtb"`,
		Modules:     `MODULE_TARBALL_DEPLOY = "1"`,
		UBoot:       `EXTRA_IMAGEDEPENDS += "u-boot"`,
		SystemdBoot: `EXTRA_IMAGEDEPENDS += "systemd-boot"`,
		GRUB:        `EXTRA_IMAGEDEPENDS += "grub-efi"`,
		Stub:        `EXTRA_IMAGEDEPENDS += "systemd-boot"`,
		ISO:         added + ` = " iso"`,
	}[k]
	if k == ISO && d.Old {
		line = added + ` = " live"`
	}
	if k == Bootscript {
		return "write one into the declaration, as <bootscript>: it needs no tool"
	}
	return fmt.Sprintf("have it deployed with -a '%s'", line)
}

// oldSeries are the names of the releases, among those with a name in their layer,
// whose overrides begin with an underscore (the colon came with 3.4).
var oldSeries = strings.Fields("pyro rocko sumo thud warrior zeus dunfell gatesgarth hardknott")

var coreNames = lazyregexp.New(`(?m)^LAYERSERIES_CORENAMES\s*[?:]*=\s*"([^"]*)"`)

// oldOverrides reports whether a build's release writes overrides with an
// underscore. Before 2.4 the core layer did not state the release's name; neither
// does another layer that is also in a directory called meta.
func oldOverrides(t *tree.Tree, tmp string) bool {
	top := strings.Split(tmp, "/")
	if len(top) < 2 {
		return false
	}
	root := strings.Join(top[:len(top)-2], "/")
	nameless := false
	for _, p := range []string{"source/*/meta/conf/layer.conf", "*/meta/conf/layer.conf"} {
		found, err := t.Glob("/" + root + "/" + p)
		if err != nil {
			continue
		}
		for _, file := range found {
			if m := coreNames().FindStringSubmatch(text(t, file)); m != nil {
				return slices.ContainsFunc(strings.Fields(m[1]), func(n string) bool { return slices.Contains(oldSeries, n) })
			}
			nameless = true
		}
	}
	return nameless
}

// text reads a small file.
func text(t *tree.Tree, name string) string {
	e, err := t.Lookup(name)
	if err != nil || e.Type() != tree.Regular || e.Content == nil || e.Size > 64<<10 {
		return ""
	}
	b, err := io.ReadAll(io.NewSectionReader(e.Content, 0, e.Size))
	if err != nil {
		return ""
	}
	return string(b)
}
