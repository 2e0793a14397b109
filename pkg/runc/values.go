// SPDX-License-Identifier: MPL-2.0

package runc

import "io"

// Network says what a step reaches.
type Network string

// The networks. HostNetwork is the builder's own, its loopback included.
const (
	HostNetwork Network = "host"
	NoNetwork   Network = "none"
)

// Mount is a directory or file of the host that a step sees.
type Mount struct {
	Source   string
	Target   string // absolute, inside the step
	ReadOnly bool
}

// Step is one command in one sandbox.
type Step struct {
	ID       string // unique among the steps that run
	Root     string // root directory, complete and writable
	Arch     string // of its programs, as in an image's configuration; "" is the host's
	Args     []string
	Env      []string // complete: nothing is added
	Cwd      string
	UID, GID uint32
	Groups   []uint32
	Mounts   []Mount
	Network  Network
	Terminal bool // stdin is a terminal and the step gets one
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer
}

// User is who a step runs as.
type User struct {
	UID, GID uint32
	Groups   []uint32 // supplementary
	Home     string
}

// Account is who calls the program.
type Account struct {
	UID, GID int
	Name     string // login name, may be empty
}

// Root reports whether the account is the superuser of its namespace.
func (a Account) Root() bool { return a.UID == 0 }

// The environment variable that carries how far a re-executed program is:
// "wait" until the ids are mapped, then "in".
const stageVar = "_CAROSBUILD_NAMESPACE"

// Inside reports whether this process says that it was started by Enter; Settle
// finds out whether that is true.
func Inside(getenv func(string) string) bool { return getenv(stageVar) != "" }
