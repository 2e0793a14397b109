// SPDX-License-Identifier: MPL-2.0

// Package declfile reads what a command line names as a declaration: files, those that
// are built in, and projects of kas.
package declfile
