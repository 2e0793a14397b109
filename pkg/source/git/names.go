// SPDX-License-Identifier: MPL-2.0

package git

// IsCommit reports whether a revision is a full object id. It denotes that commit
// wherever it comes from, so no server need be asked.
func IsCommit(revision string) bool { return isID(revision) }

// Redact removes users of web addresses, which may be tokens, and passwords from an
// address or a text.
func Redact(s string) string { return redact(s) }
