// SPDX-License-Identifier: MPL-2.0

package damage

import (
	"errors"
	"fmt"
	"slices"
)

// ErrUnread is wrapped by errors about something of a kind, or with a feature, that
// is not supported. Whether it is damaged is not known.
var ErrUnread = errors.New("not read")

// Unreadf is an error that wraps ErrUnread.
func Unreadf(format string, args ...any) error {
	return &unread{fmt.Sprintf(format, args...)}
}

type unread struct{ text string }

func (e *unread) Error() string { return e.text }
func (e *unread) Unwrap() error { return ErrUnread }

// Verdict is the overall result of a check.
type Verdict string

// The verdicts, worst last: a disk that is damaged in one place and not read in
// another is damaged.
const (
	Sound   Verdict = "sound"
	Unread  Verdict = "not wholly read"
	Damaged Verdict = "damaged"
)

// VerdictOf is the verdict that follows from the problems of a check.
func VerdictOf(problems []Problem) Verdict {
	switch {
	case len(problems) == 0:
		return Sound
	case slices.ContainsFunc(problems, func(p Problem) bool { return !p.Unread }):
		return Damaged
	}
	return Unread
}

// Of is the problem for a read error.
func Of(where string, err error) Problem {
	return Problem{Where: where, Text: err.Error(), Unread: errors.Is(err, ErrUnread)}
}
