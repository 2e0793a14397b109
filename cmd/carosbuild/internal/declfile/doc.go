// SPDX-License-Identifier: MPL-2.0

// Package declfile reads the declarations that a command line names: files, built-in
// declarations, and projects of kas.
package declfile
