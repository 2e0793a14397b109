// SPDX-License-Identifier: MPL-2.0

// Package rendertest has names that could act on a terminal, and the check that what
// is printed about them does not.
package rendertest
