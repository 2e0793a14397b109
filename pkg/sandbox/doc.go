// SPDX-License-Identifier: MPL-2.0

// Package sandbox describes a command in a root file system: what it sees, which user runs it,
// and what is planted in the root for it. Other packages, such as runc, confine the command.
package sandbox
