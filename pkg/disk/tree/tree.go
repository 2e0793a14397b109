// SPDX-License-Identifier: MPL-2.0

// Package tree holds a file system's content as a value: entries in path order,
// with metadata in memory and file contents readable at any offset. Where the
// contents are stored, and what is made from them, is up to the callers.
package tree

import (
	"io"
	"iter"
	"strings"
)

// File type bits of Entry.Mode, as in stat(2).
const (
	TypeMask = 0o170000
	Socket   = 0o140000
	Symlink  = 0o120000
	Regular  = 0o100000
	Block    = 0o060000
	Dir      = 0o040000
	Char     = 0o020000
	FIFO     = 0o010000
)

// Tree is a directory tree. Entries[0] is the root with an empty Path; every
// other entry's parent comes before it. Entries are in Compare order and
// their paths are unique.
type Tree struct {
	Entries []Entry
}

// Entry is one name in a Tree. If Hardlink is set, it is another name for the inode
// of that earlier entry, and all fields except Path are ignored.
type Entry struct {
	Path     string // slash-separated, no leading or trailing slash; "" is the root
	Hardlink string // path of the first name of the same inode, or ""
	Link     string // target of a symbolic link

	Mode     uint32 // type and permission bits, as in stat(2)
	UID, GID uint32
	Rdev     Device // of Char and Block

	Mtime     int64 // seconds since 1970
	MtimeNsec int32

	Size   int64   // of Regular
	Data   []Range // ranges that are not holes, ascending and disjoint; nil means the whole content
	Xattrs []Xattr // ascending by name; security.capability as in the initial user namespace (v2)

	Content io.ReaderAt // of Regular with Size > 0; safe for concurrent use
}

// Range is a run of bytes of a file.
type Range struct{ Off, Len int64 }

// Device is a device number.
type Device struct{ Major, Minor uint32 }

// Xattr is an extended attribute with its full name, such as
// security.capability.
type Xattr struct {
	Name  string
	Value []byte
}

// Type is the file type bits of the entry's mode.
func (e *Entry) Type() uint32 { return e.Mode & TypeMask }

// Ranges are the ranges of a file's content that are not holes.
func (e *Entry) Ranges() []Range {
	if e.Data == nil && e.Size > 0 {
		return []Range{{Len: e.Size}}
	}
	return e.Data
}

// Name is the last component of the entry's path.
func (e *Entry) Name() string { return e.Path[strings.LastIndexByte(e.Path, '/')+1:] }

// Parent is the path of the directory that contains the entry.
func (e *Entry) Parent() string {
	if i := strings.LastIndexByte(e.Path, '/'); i >= 0 {
		return e.Path[:i]
	}
	return ""
}

// clampTime replaces a time later than clamp by clamp, unless that is 0.
func (e *Entry) clampTime(clamp int64) {
	if clamp != 0 && (e.Mtime > clamp || e.Mtime == clamp && e.MtimeNsec > 0) {
		e.Mtime, e.MtimeNsec = clamp, 0
	}
}

// Compare orders paths depth first: a directory before its content, siblings
// by the bytes of their names.
func Compare(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] == b[i] {
			continue
		}
		switch {
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		case a[i] < b[i]:
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// EachXattr iterates over the extended attributes of an entry, in their order.
func (e *Entry) EachXattr() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, x := range e.Xattrs {
			if !yield(x.Name, x.Value) {
				return
			}
		}
	}
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
