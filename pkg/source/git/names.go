// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package git

// IsCommit reports whether a revision is a full object id, which means that
// commit wherever it comes from, so that nobody need be asked.
func IsCommit(revision string) bool { return isID(revision) }

// Redact takes users of web addresses, who may be tokens, and passwords out of
// an address or a text that has some.
func Redact(s string) string { return redact(s) }
