// SPDX-License-Identifier: MPL-2.0

package sandbox

import "io"

// Network is the kind of network of a step.
type Network string

// The networks. HostNetwork is the builder's own, including its loopback. ClosedNetwork is a
// namespace with a connection that reaches neither the host's loopback nor its abstract
// sockets. AutoNetwork is only for requests: it becomes one of these two.
const (
	AutoNetwork   Network = "auto"
	HostNetwork   Network = "host"
	ClosedNetwork Network = "closed"
	NoNetwork     Network = "none"
)

// Connection is a command's connection to a network.
type Connection struct {
	Network  Network
	NetNS    string // as in Command
	Resolver []byte // /etc/resolv.conf; nil: none
}

// Hostname is the machine's name for a command: one that resolves everywhere.
const Hostname = "localhost"

// Mount is a directory or file of the host that a step sees.
type Mount struct {
	Source   string
	Target   string // absolute, inside the step
	ReadOnly bool   // a step's changes are refused or lost
	Shared   bool   // several steps may have it at a time
}

// Command is one command in one root.
type Command struct {
	ID       string // unique among the steps that run
	Root     string // root directory, complete and writable
	Arch     string // of the root's programs, as in an image's configuration; "" is the host's
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

// User is the user who runs a step.
type User struct {
	UID, GID uint32
	Groups   []uint32 // supplementary
	Home     string
}
