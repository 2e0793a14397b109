// SPDX-License-Identifier: MPL-2.0

// Package key makes digests of lists of texts that no other list gives: keys of
// steps, and names of files that this machine keeps.
package key
