// SPDX-License-Identifier: MPL-2.0

// Package disk composes a bootable disk image out of trees and raw data, as a
// value, and writes it in one pass as a raw or VMDK file. File systems,
// partition tables, formats and boot parts are in its sub-packages. It runs
// nothing and mounts nothing, and knows neither declarations nor stages.
package disk

import (
	"io"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/partition"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
)

// Spec is what is on a disk. The same Spec gives the same bytes.
type Spec struct {
	Table string     // gpt or mbr
	Size  int64      // bytes; 0 for as large as the partitions
	Align int64      // bytes, of partitions whose start is chosen; 0 is 1 MiB
	GUID  *uuid.UUID // of a GPT disk; nil derives from Seed
	// Seed is what all identifiers that the Spec does not give derive from,
	// such as a digest of the build's inputs. See TreeDigest.
	Seed       []byte
	Time       int64 // seconds since 1970, for what has no time
	Partitions []Partition
	Blobs      []Blob
	BIOS       *BIOS
	// Spool makes a place for data that has to be made before it is known
	// where it goes: compressed file systems and hash trees.
	Spool func() (Spool, error)
	// Workers is the number of goroutines that read and compress; 0 means one
	// a CPU.
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
	Type   string             // see partition.TypeGUID and TypeByte; "" follows from FS
	FS     string             // a name of FileSystems, or ""
	Label  string             // of the file system
	Start  int64              // bytes; 0 for the next multiple of Spec.Align
	Size   bytesize.Partition // left open, it is Fit
	Active bool
	// Attributes of a GPT, see partition.AttributeBits.
	Attributes []string
	Hybrid     bool // listed in the MBR of a GPT disk too
	// UUID of the file system and of the partition of a GPT; of the partition alone
	// if the file system is FAT, which has Serial. Nil derives from the Seed.
	UUID        *uuid.UUID
	Serial      *uuid.Serial
	Compat      bool       // ext4 as boot loaders of 2014 read it
	Compression string     // "" is the file system's default
	Tree        *tree.Tree // with FS
	// Files makes the tree out of the root hashes of verity, in hexadecimal, by
	// the names of the partitions that they are of. It stands for Tree, and is
	// called with hashes of the same length before they are known.
	Files func(roots map[string]string) (*tree.Tree, error)
	Of    string       // verity: name of the partition
	Raw   *image.Image // without FS; nil leaves the partition empty
}

// Blob is raw data at a fixed offset, such as u-boot.
type Blob struct {
	Name string // for messages, such as its file's name
	At   int64  // bytes
	Data []byte
}

// BIOS is GRUB for i386-pc. Core goes to the partition of type bios, which is
// added in front of the others when none is declared.
type BIOS struct {
	Boot []byte // boot.img as shipped
	Core []byte // core.img as grub-mkimage made it
}

// Layout is a composed disk.
type Layout struct {
	Image      *image.Image
	Table      partition.Kind
	GUID       string // of a GPT disk
	Signature  uint32 // of an MBR disk
	Partitions []Placed
}

// Placed is a partition with everything that was decided for it.
type Placed struct {
	Number      int // from 1, as in /dev/sdaN
	Name, Type  string
	Start, Size int64 // bytes
	FS, Label   string
	UUID        string // of the file system as blkid shows it, "" without one
	PartUUID    string // as the kernel's root=PARTUUID= takes it
	Used        int64  // bytes of the image that are not holes
	RootHash    string // of the partition that a verity partition is of
}
