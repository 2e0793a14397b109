// SPDX-License-Identifier: MPL-2.0

// Package finding says what is wrong with files, and where: a Finding is a mistake at
// a place, with the way to mend it and further places, and Findings are shown as a
// compiler shows its own, with the line of the file. Which files these are, and what
// is a mistake in them, is their readers' affair.
package finding
