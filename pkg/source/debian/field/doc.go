// SPDX-License-Identifier: MPL-2.0

// Package field parses and checks the values of fields of control files, indices
// and release files. A value from a mirror or a lock file is used as a file name,
// an address or an argument of a command only after a check in this package.
package field
