// SPDX-License-Identifier: MPL-2.0

// Package unpack writes .debs straight into an empty directory, with dpkg's database
// in the state that "dpkg --unpack" leaves behind. Scripts are not run here, and where
// the .debs come from is the caller's affair.
package unpack

// Set is what becomes a root file system.
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

// Options say how.
type Options struct {
	// SkipOwners leaves every file to the caller's own ids, for callers who are not
	// root in their own user namespace.
	SkipOwners bool
	// Owners gives files their owners; nil asks the kernel.
	Owners Owners
	// Progress may be nil. It is told of each package that is unpacked, by several
	// goroutines, and how many bytes of .debs these are by then.
	Progress func(name string, done, total int64)
}

// Owners gives a file an owner, relative to an open directory and without following a
// link; the name "" is what is open itself.
type Owners interface {
	Chown(dir int, name string, uid, gid int) error
}
