// SPDX-License-Identifier: MPL-2.0

// Package field reads and checks the values of fields: of control files, of
// indices and of release files. What comes from a mirror or a lock file becomes a
// name of a file, an address or a word of a command only after a check of here.
package field
