// SPDX-License-Identifier: MPL-2.0

package finding

// ListError says that what a declaration names cannot be had: as findings, like
// mistakes in its text.
type ListError struct{ Findings Findings }

func (e *ListError) Error() string {
	if len(e.Findings) == 0 {
		return "the declaration has mistakes"
	}
	return e.Findings[0].Summary
}
