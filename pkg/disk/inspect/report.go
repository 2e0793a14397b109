// SPDX-License-Identifier: MPL-2.0

// Package inspect describes the content of a disk: table, partitions, file systems,
// boot parts, the operating system; it checks all of them, lists and reads files,
// and compares two disks. It changes nothing and mounts nothing.
package inspect

import (
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// Report describes a disk. New versions only add fields to its JSON form. Sizes and
// offsets are in bytes.
type Report struct {
	Format     disk.Format `json:"format"`
	Size       int64       `json:"size"`      // of the disk
	FileSize   int64       `json:"file_size"` // of the file that it is in
	VM         *VM         `json:"vm,omitempty"`
	Table      *Table      `json:"table,omitempty"`
	Partitions []Partition `json:"partitions"`
	Boot       []Boot      `json:"boot"`
	OS         *OS         `json:"os,omitempty"`

	Checked  bool             `json:"checked"`            // whether the disk was checked
	Verdict  damage.Verdict   `json:"verdict,omitempty"`  // of the check
	Problems []damage.Problem `json:"problems,omitempty"` // of Disk.Check
}

// VM is what the descriptor of a VMDK or, in an OVA, of the appliance says about
// the machine.
type VM struct {
	CreateType      string `json:"create_type,omitempty"` // of the VMDK
	Adapter         string `json:"adapter,omitempty"`
	HardwareVersion string `json:"hardware_version,omitempty"`
	UUID            string `json:"uuid,omitempty"`
	Name            string `json:"name,omitempty"`
	Product         string `json:"product,omitempty"`
	Vendor          string `json:"vendor,omitempty"`
	Version         string `json:"version,omitempty"`
	Guest           string `json:"guest,omitempty"` // VMware's name for the operating system
	Firmware        string `json:"firmware,omitempty"`
	Cores           int    `json:"cores,omitempty"`
	Memory          int64  `json:"memory,omitempty"` // bytes
	NICs            int    `json:"nics,omitempty"`
	Disks           int    `json:"disks,omitempty"`
}

// Table is the partition table.
type Table struct {
	Kind       string `json:"kind"`                // gpt or mbr
	GUID       string `json:"guid,omitempty"`      // of a GPT disk
	Signature  string `json:"signature,omitempty"` // of an MBR disk, 8 hexadecimal digits
	SectorSize int64  `json:"sector_size"`         // sector size that its numbers count
	Hybrid     bool   `json:"hybrid,omitempty"`    // a GPT with partitions in the MBR, too
}

// Partition is a partition, or the whole disk as number 0 if it has no table.
type Partition struct {
	Number     int         `json:"number"`
	Name       string      `json:"name,omitempty"`      // in a GPT
	Type       string      `json:"type,omitempty"`      // name as in declarations, if it has one
	TypeID     string      `json:"type_id,omitempty"`   // GUID or two hexadecimal digits
	PartUUID   string      `json:"part_uuid,omitempty"` // as in root=PARTUUID=
	Start      int64       `json:"start"`
	Size       int64       `json:"size"`
	Active     bool        `json:"active,omitempty"`
	Attributes []string    `json:"attributes,omitempty"` // names as in declarations
	FileSystem *FileSystem `json:"file_system,omitempty"`
}

// FileSystem is the content of a partition. For kinds that are not read, only the
// kind is set.
type FileSystem struct {
	Kind  string `json:"kind"` // ext4, fat32, swap ...
	Label string `json:"label,omitempty"`
	UUID  string `json:"uuid,omitempty"` // as blkid shows it
	Size  int64  `json:"size,omitempty"`
	Used  int64  `json:"used,omitempty"`
	Files int    `json:"files,omitempty"` // names of all types
	Error string `json:"error,omitempty"` // why it could not be read, or not completely
}

// Boot is something that takes part in booting the system.
type Boot struct {
	Kind      string `json:"kind"`                // bios, efi, eltorito, entry, config, script, spl or kernel
	Partition int    `json:"partition,omitempty"` // number
	Path      string `json:"path,omitempty"`      // in the partition
	Offset    int64  `json:"offset,omitempty"`    // on the disk, outside file systems
	Name      string `json:"name"`                // GRUB, systemd-boot, a title, a board, Linux ...
	Version   string `json:"version,omitempty"`
	Arch      string `json:"arch,omitempty"`
	Detail    string `json:"detail,omitempty"`
	UKI       *UKI   `json:"uki,omitempty"` // of a unified kernel image with readable headers
}

// UKI is the content of a unified kernel image.
type UKI struct {
	Release   string    `json:"release,omitempty"` // of the kernel, as uname -r shows it
	Cmdline   string    `json:"cmdline,omitempty"` // command line for the kernel
	OSID      string    `json:"os_id,omitempty"`   // ID of its os-release
	OSVersion string    `json:"os_version,omitempty"`
	OSName    string    `json:"os_name,omitempty"` // for people
	Sections  []Section `json:"sections"`          // all sections, in the order of the file's table
}

// Section is a section of an EFI program. Size is its size in memory.
type Section struct {
	Name string `json:"name"` // .linux, .initrd, .cmdline ...
	Size int64  `json:"size"`
}

// OS is the operating system.
type OS struct {
	Partition int    `json:"partition"`
	ID        string `json:"id,omitempty"`
	Version   string `json:"version,omitempty"`
	Name      string `json:"name,omitempty"` // for people
	Arch      string `json:"arch,omitempty"` // of its programs
}
