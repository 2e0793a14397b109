// SPDX-License-Identifier: MPL-2.0

// Package unpack writes .debs directly into an empty directory, with dpkg's database
// in the state that "dpkg --unpack" leaves behind. It does not run scripts, and where
// the .debs come from is up to the caller.
package unpack

// Set is the set of packages that becomes a root file system.
type Set struct {
	Arch      string
	MergedUsr bool   // the links of a merged /usr are made first
	Sources   string // /etc/apt/sources.list
	States    string // apt's extended_states
	Packages  []Package
}

// Package is one .deb.
type Package struct {
	Name, Version string
	Size          int64 // of the .deb
	Read          func() ([]byte, error)
}

// Options are the options of Unpack.
type Options struct {
	// SkipOwners gives every file to the caller, for callers who are not root in
	// their own user namespace.
	SkipOwners bool
	// Owners sets the owners of files; nil uses the kernel.
	Owners Owners
	// Progress may be nil. It is called for each unpacked package, by several
	// goroutines, with the number of bytes of .debs so far.
	Progress func(name string, done, total int64)
}

// Owners sets the owner of a file, relative to an open directory and without
// following a link; the name "" is the open file itself.
type Owners interface {
	Chown(dir int, name string, uid, gid int) error
}
