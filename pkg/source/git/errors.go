// SPDX-License-Identifier: MPL-2.0

package git

import (
	"errors"
	"fmt"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// NetworkError says that a server could not be reached, or did not give what
// it was asked for.
type NetworkError struct {
	URL  string // without password
	Text string // of git, or ours
}

func (e *NetworkError) Error() string { return e.URL + ": " + e.Text }

// NetworkFault implements netfault.Fault.
func (e *NetworkError) NetworkFault() bool { return true }

// NotFoundError says that an address has no such revision.
type NotFoundError struct{ URL, Revision, Why string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("%s has no %s: %s", e.URL, e.Revision, e.Why)
}

// Missing are what an error of ResolveAll or Ensure says does not exist, nil where
// something else is wrong, too.
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

// gitError is what git said of something on this machine.
type gitError struct{ what, text string }

func (e *gitError) Error() string { return "git " + e.what + ": " + e.text }

// printable is a text that a server chose, fit for a message.
func printable(s string) string { return terminal.Line(s) }
