// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Format is a file format of a disk.
type Format string

// The formats. A name ending in .vmdk means VMDK, the compressed
// streamOptimized form, because that is what ESXi's and vCenter's import and
// OVF take; VMDKSparse is the form that VMware Workstation uses in place.
const (
	Raw        Format = "raw"
	RawGzip    Format = "raw.gz"
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
	OVA        Format = "ova"
)

// FormatFor is the format called name, or for "" the one that the ending of
// path means: .raw and .img are Raw, .vmdk is VMDK, .ova is OVA. "vmdk-stream" is
// another name of VMDK.
func FormatFor(name, path string) (Format, error) {
	switch f := Format(name); f {
	case Raw, VMDK, VMDKSparse, OVA:
		return f, nil
	case "vmdk-stream":
		return VMDK, nil
	case "":
	default:
		return "", fmt.Errorf("disk format %q is none of raw, vmdk, vmdk-stream, vmdk-sparse, ova", name)
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".raw", ".img":
		return Raw, nil
	case ".vmdk":
		return VMDK, nil
	case ".ova":
		return OVA, nil
	}
	return "", fmt.Errorf("%s: the ending names no disk format; known are .raw, .img, .vmdk and .ova", path)
}
