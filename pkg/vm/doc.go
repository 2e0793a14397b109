// SPDX-License-Identifier: MPL-2.0

// Package vm runs a command in a root file system inside a QEMU virtual machine, and finds
// what it has changed. It needs no privilege: no namespace, no capability, and no device
// except, for speed, /dev/kvm.
//
// The root is a tree.Tree. It becomes an ext4 image that exists only as a plan, which QEMU
// reads through a connection to this process (package nbd); the guest's writes go to a
// sparse file (package cow). The guest has a kernel from Debian or the host, and an initial
// RAM disk with this program as its first process (package guest), which runs the command
// as real root. Afterwards the file system is read and compared with the original tree, by
// metadata and content (package delta).
//
// It does not support machines of architectures other than the host's, whose programs run
// in the guest through QEMU's user mode, or several commands at a time in one machine.
package vm
