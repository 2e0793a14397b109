// SPDX-License-Identifier: MPL-2.0

package git

// IsCommit reports whether a revision is a full object id, which means that
// commit wherever it comes from, so that no server need be asked.
func IsCommit(revision string) bool { return isID(revision) }

// Redact takes users of web addresses, who may be tokens, and passwords out of
// an address or a text that has some.
func Redact(s string) string { return redact(s) }
