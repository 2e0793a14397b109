// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/words"
)

// Format is a file format of a disk.
type Format string

// The formats. A name ending in .vmdk means VMDK, the compressed streamOptimized
// form, because ESXi, vCenter and OVF import it; VMDKSparse is the form that VMware
// Workstation uses in place.
const (
	Raw        Format = "raw"
	RawGzip    Format = "raw.gz" // this and the next two can have NAME.bmap beside them
	RawZstd    Format = "raw.zst"
	RawXZ      Format = "raw.xz"
	VMDK       Format = "vmdk"
	VMDKSparse Format = "vmdk-sparse"
	VMDKFlat   Format = "vmdk-flat" // two files: NAME.vmdk describes NAME-flat.vmdk
	QCOW2      Format = "qcow2"
	QCOW2Zlib  Format = "qcow2-compressed"
	QCOW2Zstd  Format = "qcow2-zstd"
	VHD        Format = "vhd" // dynamic
	VHDFixed   Format = "vhd-fixed"
	VHDX       Format = "vhdx" // dynamic
	OVA        Format = "ova"
	ISO        Format = "iso" // a raw disk that is also a bootable disc
)

// Formats are the names of all formats.
func Formats() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, string(f.Format))
	}
	return names
}

// Endings are the file name endings that select a format.
func Endings() []string {
	var endings []string
	for _, f := range formats() {
		endings = append(endings, f.endings...)
	}
	return endings
}

// streams are the formats that can be written to a pipe.
func streams() []string {
	var names []string
	for _, f := range formats() {
		if f.stream != nil {
			names = append(names, string(f.Format))
		}
	}
	return names
}

// FormatFor is the format called name or, if that is "", the one that the ending of
// path selects. "vmdk-stream" is another name for VMDK, "img" for Raw.
func FormatFor(name, path string) (Format, error) {
	if name == "" {
		return formatOfEnding(path)
	}
	for _, f := range formats() {
		if name == string(f.Format) || name == f.alias {
			return f.Format, nil
		}
	}
	hint := words.DidYouMean(name, Formats())
	if hint != "" {
		hint = " (" + hint + ")"
	}
	return "", fmt.Errorf("disk format %q is not known%s; known are %s", name, hint, strings.Join(Formats(), ", "))
}

func formatOfEnding(path string) (Format, error) {
	if path == StandardOutput {
		return "", fmt.Errorf("standard output has no name that tells the disk's format: choose one of %s", strings.Join(streams(), ", "))
	}
	base := strings.ToLower(filepath.Base(path))
	for _, f := range formats() {
		if slices.ContainsFunc(f.endings, func(e string) bool { return strings.HasSuffix(base, e) }) {
			return f.Format, nil
		}
	}
	hint := ""
	switch ext := filepath.Ext(base); {
	case ext == ".gz" || ext == ".zst" || ext == ".xz":
		hint = fmt.Sprintf(" (%s alone says how it is compressed, not what: .raw%s)", ext, ext)
	case ext != "":
		if n := words.Suggest(ext, Endings()); n != "" {
			hint = fmt.Sprintf(" (did you mean %s?)", n)
		}
	}
	return "", fmt.Errorf("%s: the ending names no disk format%s; known are %s", path, hint, strings.Join(Endings(), ", "))
}
