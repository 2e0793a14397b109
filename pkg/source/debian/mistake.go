// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"errors"
	"slices"
	"strings"
)

// Mistake is a mistake in one attribute of a Bootstrap.
type Mistake struct {
	Attr  string   // name in a declaration, such as "suite"
	Value string   // its value, or the wrong word in it
	Text  string   // complete message, without the hint
	Hint  string   // remedy, or ""
	Known []string // valid values, one of which may have been meant
	Err   error    // error of the machine or the mirror, or nil
}

func (m *Mistake) Error() string {
	if m.Hint == "" {
		return m.Text
	}
	return m.Text + ": " + m.Hint
}

func (m *Mistake) Unwrap() error { return m.Err }

// Mistakes are several mistakes.
type Mistakes []*Mistake

func (ms Mistakes) Error() string {
	texts := make([]string, len(ms))
	for i, m := range ms {
		texts[i] = m.Error()
	}
	return strings.Join(texts, "; ")
}

// AsMistakes extracts the mistakes from an error; nil if it has another cause.
func AsMistakes(err error) Mistakes {
	if ms, ok := errors.AsType[Mistakes](err); ok {
		return ms
	}
	if m, ok := errors.AsType[*Mistake](err); ok {
		return Mistakes{m}
	}
	return nil
}

// orNil is nil if there are no mistakes.
func (ms Mistakes) orNil() error {
	if len(ms) == 0 {
		return nil
	}
	return slices.Clone(ms)
}
