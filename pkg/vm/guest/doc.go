// SPDX-License-Identifier: MPL-2.0

// Package guest is the first process of a virtual machine of package vm: it loads the
// kernel's modules, mounts the disks, runs one command for the host, and turns the machine
// off. It is the host's program under another name. The command gets what a container
// runtime would give it: PID, mount and IPC namespaces, a /dev of its own, and Docker's
// default capabilities.
package guest

// Top is the directory of a disk that has its tree; beside it are the file system's own
// files.
const Top = "tree"
