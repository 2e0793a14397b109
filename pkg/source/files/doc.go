// SPDX-License-Identifier: MPL-2.0

// Package files reads the files of this machine that stages add: where they are,
// which of them there are, and their digest.
package files
