// SPDX-License-Identifier: MPL-2.0

// Package files reads the files of this machine that stages add: it finds them,
// lists them and computes their digest.
package files
