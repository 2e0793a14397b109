// SPDX-License-Identifier: MPL-2.0

// Package finding describes mistakes in files: a Finding is a mistake at a place,
// with the remedy and further places. Findings are shown as a compiler shows its own,
// with the line of the file. Which files these are, and what counts as a mistake in
// them, is left to the packages that read them.
package finding
