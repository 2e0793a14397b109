// SPDX-License-Identifier: MPL-2.0

package sandbox

import "io"

// Network says what a step reaches.
type Network string

// The networks. HostNetwork is the builder's own, its loopback included. ClosedNetwork is
// a namespace with a way out, which leads neither to the host's loopback nor to its abstract
// sockets. AutoNetwork is for those who ask: it becomes one of these two.
const (
	AutoNetwork   Network = "auto"
	HostNetwork   Network = "host"
	ClosedNetwork Network = "closed"
	NoNetwork     Network = "none"
)

// Connection is a network as a command finds it.
type Connection struct {
	Network  Network
	NetNS    string // as in Command
	Resolver []byte // /etc/resolv.conf; nil: none
}

// Hostname is what a command finds as the machine's name: one that resolves wherever it
// runs.
const Hostname = "localhost"

// Mount is a directory or file of the host that a step sees.
type Mount struct {
	Source   string
	Target   string // absolute, inside the step
	ReadOnly bool   // what a step changes in it is refused, or lost
	Shared   bool   // several steps may have it at a time
}

// Command is one command in one root.
type Command struct {
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
	NetNS    string // file of the network namespace of ClosedNetwork
	Limits   Limits
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
