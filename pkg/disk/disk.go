// SPDX-License-Identifier: MPL-2.0

// Package disk composes a bootable disk image from trees and raw data, as a value,
// and writes it in one pass as raw, VMDK or other files. File systems, partition
// tables, formats and boot parts are in its sub-packages. It runs nothing and
// mounts nothing, and does not know declarations and stages.
package disk

import (
	"io"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/partition"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
)

// Spec is the content of a disk. The same Spec gives the same bytes.
type Spec struct {
	Table string     // gpt or mbr
	Size  int64      // bytes; 0 for as large as the partitions
	Align int64      // bytes, for partitions whose start is not given; 0 is 1 MiB
	GUID  *uuid.UUID // of a GPT disk; nil derives it from Seed
	// Seed is the value from which all identifiers are derived that the Spec does
	// not give, such as a digest of the build's inputs. See TreeDigest.
	Seed       []byte
	Time       int64 // seconds since 1970, for items that have no time
	Partitions []Partition
	Blobs      []Blob
	BIOS       *BIOS
	// Spool makes scratch space for data that has to be made before its offset is
	// known: compressed file systems and hash trees.
	Spool func() (Spool, error)
	// Workers is the number of goroutines that read and compress; 0 means one per
	// CPU.
	Workers int
}

// Spool is scratch space, such as a file without a name.
type Spool interface {
	io.ReaderAt
	io.WriterAt
}

// Partition is one partition, with a file system when FS is set.
type Partition struct {
	Name   string             // GPT name
	Type   string             // see partition.TypeGUID and TypeByte; "" derives it from FS
	FS     string             // a name of FileSystems, or ""
	Label  string             // of the file system
	Start  int64              // bytes; 0 for the next multiple of Spec.Align
	Size   bytesize.Partition // the zero value is Fit
	Active bool
	// Attributes of a GPT, see partition.AttributeBits.
	Attributes []string
	Hybrid     bool // also listed in the MBR of a GPT disk
	// UUID of the file system and of the partition of a GPT; of the partition alone
	// if the file system is FAT, which has Serial. Nil derives it from the Seed.
	UUID        *uuid.UUID
	Serial      *uuid.Serial
	Compat      bool       // ext4 that boot loaders of 2014 can read
	Compression string     // "" is the file system's default
	Tree        *tree.Tree // with FS
	// Files makes the tree from the root hashes of verity partitions, in
	// hexadecimal, by the names of the partitions that they verify. It replaces
	// Tree. Before the hashes are known, it is called with placeholders of the same
	// length.
	Files func(roots map[string]string) (*tree.Tree, error)
	Of    string       // for verity: name of the partition to verify
	Raw   *image.Image // without FS; nil leaves the partition empty
}

// Blob is raw data at a fixed offset, such as u-boot.
type Blob struct {
	Name string // for messages, such as the name of its file
	At   int64  // bytes
	Data []byte
}

// BIOS is GRUB for i386-pc. Core is written to the partition of type bios, which is
// added before the others if none is declared.
type BIOS struct {
	Boot []byte // boot.img as shipped
	Core []byte // core.img as made by grub-mkimage
}

// Layout is a composed disk.
type Layout struct {
	Image      *image.Image
	Table      partition.Kind
	GUID       string // of a GPT disk
	Signature  uint32 // of an MBR disk
	Partitions []Placed
}

// Placed is a partition with all the values that were chosen for it.
type Placed struct {
	Number      int // from 1, as in /dev/sdaN
	Name, Type  string
	Start, Size int64 // bytes
	FS, Label   string
	UUID        string // of the file system, as blkid shows it; "" if it has none
	PartUUID    string // in the form of the kernel's root=PARTUUID=
	Used        int64  // bytes of the image that are not holes
	RootHash    string // of the partition that a verity partition verifies
}
