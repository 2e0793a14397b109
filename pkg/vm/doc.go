// SPDX-License-Identifier: MPL-2.0

// Package vm runs a command in a root file system inside a virtual machine of QEMU's, and
// says what it has changed. It needs no privilege: no namespace, no capability, no device
// but, for speed, /dev/kvm.
//
// The root is a tree.Tree. It becomes an ext4 image that exists only as a plan, which QEMU
// reads through a connection to this process (package nbd); what the guest writes goes into
// a sparse file (package cow). The guest has a kernel of Debian or of the host's, and an
// initial RAM disk with this very program as its first process (package guest), which runs
// the command as real root. Afterwards the file system is read and compared with the tree
// that went in, by metadata and content (package delta).
//
// What it leaves out: machines of other architectures than the host's, whose programs run
// in the guest through qemu's user mode; a machine for several commands at a time.
package vm
