// SPDX-License-Identifier: MPL-2.0

package git

import (
	"errors"
	"fmt"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// NetworkError says that a server could not be reached, or did not deliver what was
// requested.
type NetworkError struct {
	URL  string // without password
	Text string // message of git, or ours
}

func (e *NetworkError) Error() string { return e.URL + ": " + e.Text }

// NetworkFault implements netfault.Fault.
func (e *NetworkError) NetworkFault() bool { return true }

// NotFoundError says that an address has no such revision.
type NotFoundError struct{ URL, Revision, Why string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("%s has no %s: %s", e.URL, e.Revision, e.Why)
}

// Missing returns the revisions that do not exist according to an error of
// ResolveAll or Ensure, or nil if there is any other error, too.
func Missing(err error) []*NotFoundError {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	var missing []*NotFoundError
	for _, e := range all {
		var none *NotFoundError
		if !errors.As(e, &none) {
			return nil
		}
		missing = append(missing, none)
	}
	return missing
}

// gitError is a message of git about something on this machine.
type gitError struct{ what, text string }

func (e *gitError) Error() string { return "git " + e.what + ": " + e.text }

// printable makes a text from a server fit for a message.
func printable(s string) string { return terminal.Line(s) }
