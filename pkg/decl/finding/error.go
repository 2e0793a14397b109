// SPDX-License-Identifier: MPL-2.0

package finding

// ListError says that something that a declaration names cannot be had. It has
// findings, as mistakes in the declaration's text do.
type ListError struct{ Findings Findings }

func (e *ListError) Error() string {
	if len(e.Findings) == 0 {
		return "the declaration has mistakes"
	}
	return e.Findings[0].Summary
}
