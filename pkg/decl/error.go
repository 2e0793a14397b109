// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package decl

// FindingsError says that what a declaration names cannot be had: as findings, like
// mistakes in its text.
type FindingsError struct{ Findings Findings }

func (e *FindingsError) Error() string {
	if len(e.Findings) == 0 {
		return "the declaration has mistakes"
	}
	return e.Findings[0].Summary
}
