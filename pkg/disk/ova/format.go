// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
)

// An OVA is a tar archive (DSP0243, section 5.3): descriptor, manifest, then
// the files in the order of the descriptor's References.
const (
	block     = 512
	endBlocks = 2 * block // of zeros

	// maxUstar is the largest size in ustar, 11 octal digits. Larger files have GNU's
	// binary size: vSphere does not read POSIX's extended headers, and OVA allows
	// nothing else.
	maxUstar = 1<<33 - 1

	descriptorEnding  = ".ovf"
	manifestEnding    = ".mf"
	certificateEnding = ".cert"
	diskFormat        = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
)

// Namespaces of a descriptor.
const (
	nsOVF  = "http://schemas.dmtf.org/ovf/envelope/1"
	nsRASD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
	nsVSSD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
	nsVMW  = "http://www.vmware.com/schema/ovf"
)

// CIM_ResourceAllocationSettingData.ResourceType.
const (
	typeOther        = 1
	typeProcessor    = 3
	typeMemory       = 4
	typeIDE          = 5
	typeSCSI         = 6
	typeEthernet     = 10
	typeCD           = 15
	typeDisk         = 17
	typeOtherStorage = 20 // SATA and NVMe
	typeGraphics     = 24
)

// tarHeader is the header block of a member; its user and group are owner.
func tarHeader(name string, size, mtime int64, owner int) ([]byte, error) {
	h := tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, Uid: owner, Gid: owner, Format: tar.FormatUSTAR}
	h.ModTime = unixTime(mtime)
	if size > maxUstar {
		h.Format = tar.FormatGNU
	}
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&h); err != nil {
		return nil, fmt.Errorf("tar header of %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// manifestLine has blanks only where VMware's products expect them.
func manifestLine(w io.Writer, algorithm, name string, sum []byte) {
	fmt.Fprintf(w, "%s(%s)= %x\n", algorithm, name, sum)
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
