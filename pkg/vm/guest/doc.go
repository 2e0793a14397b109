// SPDX-License-Identifier: MPL-2.0

// Package guest is the first process of a virtual machine of package vm: it loads the
// kernel's modules, mounts the disks, runs one command as the machine that started it
// says, and turns the machine off. It is the same program as the one on the host, by
// another name. A command gets what it would get from a container's runtime: namespaces of
// processes, mounts and IPC, a /dev of its own, the default capabilities of Docker.
package guest

// Top is the directory of a disk that its tree is in; beside it is what a file system has of
// its own.
const Top = "tree"
