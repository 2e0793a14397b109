// SPDX-License-Identifier: MPL-2.0

// Package remedy has errors that say what would mend them.
package remedy

import (
	"errors"
	"fmt"
	"strings"
)

// Error says that the host lacks something: what was tried, and the one thing that
// mends it.
type Error struct {
	Tried string // what failed, with the reason
	Cure  string // a command or a setting
	Err   error  // may be nil
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Tried)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Cure != "" {
		fmt.Fprintf(&b, "\n  remedy: %s", e.Cure)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Is reports whether err says that the host lacks something.
func Is(err error) bool {
	var e *Error
	return errors.As(err, &e)
}
