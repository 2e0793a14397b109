// SPDX-License-Identifier: MPL-2.0

package remedy

// Full is an error of a file system that has no room, with what makes room. Unlike an
// Error it is not about what the host lacks for good.
type Full struct {
	Err  error
	Cure string
}

func (e *Full) Error() string { return e.Err.Error() }

func (e *Full) Unwrap() error { return e.Err }
