// SPDX-License-Identifier: MPL-2.0

// Package kind is the table of the file systems that a partition can have: their
// names, what each can hold, and its limits. It has no code that makes or reads
// one, so that packages that check declarations do not need that code; pkg/disk has
// it, by the same names.
package kind

import (
	"slices"
	"strings"
)

// FileSystem describes what a file system can hold.
type FileSystem struct {
	Name         string
	Older        []string // further kinds that its reader supports, such as ext2
	Type         string   // default type of the partition; "" is linux
	Tree         bool     // it can be made from a directory with owners and modes: it can be a root
	Items        bool     // files can be put on it
	ReadOnly     bool     // it is never written to after it is made
	Sized        bool     // its size cannot be derived from its content
	Of           bool     // it refers to another partition, which it names
	Hashed       bool     // an Of can refer to it
	Label        int      // maximum bytes of its label; 0 for no label
	Serial       bool     // it has a serial number instead of a UUID, and the label has only plain characters
	UUID         bool     // it has a UUID, besides that of the partition
	Profiles     []string // allowed profiles
	Compressions []string // allowed compressions, the default first
	LostFound    bool     // an empty directory lost+found is part of the format
}

// table is in the order in which messages list them.
var table = []FileSystem{
	{Name: "ext4", Older: []string{"ext2", "ext3"}, Tree: true, Items: true, Hashed: true, Label: 16, UUID: true, Profiles: []string{"compat"}, LostFound: true}, // s_volume_name
	{Name: "fat32", Type: "fat32", Items: true, Hashed: true, Label: 11, Serial: true},                                                                           // FAT specification, section 6
	{Name: "fat16", Older: []string{"fat12"}, Type: "fat16", Items: true, Hashed: true, Label: 11, Serial: true},
	{Name: "squashfs", Tree: true, Items: true, ReadOnly: true, Hashed: true, Compressions: []string{"zstd", "gzip", "xz"}},
	{Name: "erofs", Tree: true, Items: true, ReadOnly: true, Hashed: true, Label: 15, UUID: true},
	{Name: "swap", Type: "swap", Sized: true, Label: 15, UUID: true}, // the kernel's swap header: 16 bytes with the NUL
	{Name: "verity", Of: true, UUID: true},
}

// FileSystems are all file systems.
func FileSystems() []FileSystem { return slices.Clone(table) }

// ByName is the file system of a name.
func ByName(name string) (FileSystem, bool) {
	for _, k := range table {
		if k.Name == name {
			return k, true
		}
	}
	return FileSystem{}, false
}

// Names are the names of the file systems with a trait, of all for nil.
func Names(has func(FileSystem) bool) []string {
	var names []string
	for _, k := range table {
		if has == nil || has(k) {
			names = append(names, k.Name)
		}
	}
	return names
}

// Roots are the kinds from which the root of a system can be read.
func Roots() []string {
	var names []string
	for _, k := range table {
		if k.Tree {
			names = append(names, k.Older...)
			names = append(names, k.Name)
		}
	}
	return names
}

// Compressions are the compressions of all file systems, each once.
func Compressions() []string { return words(func(k FileSystem) []string { return k.Compressions }) }

// Profiles are the profiles of all file systems, each once.
func Profiles() []string { return words(func(k FileSystem) []string { return k.Profiles }) }

func words(of func(FileSystem) []string) []string {
	var all []string
	for _, k := range table {
		for _, w := range of(k) {
			if !slices.Contains(all, w) {
				all = append(all, w)
			}
		}
	}
	return all
}

// Choice lists names as in "ext2, ext3 or ext4".
func Choice(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
