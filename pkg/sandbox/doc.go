// SPDX-License-Identifier: MPL-2.0

// Package sandbox describes a command in a root file system: what it sees, who it runs as,
// and what is planted in the root for it. How the command is shut in is up to others,
// such as package runc.
package sandbox
