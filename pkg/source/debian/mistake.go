// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"errors"
	"slices"
	"strings"
)

// Mistake is what is wrong with one attribute of a Bootstrap.
type Mistake struct {
	Attr  string   // as in a declaration, such as "suite"
	Value string   // of it, or the word of it that is wrong
	Text  string   // whole sentence, without the hint
	Hint  string   // how to mend it, or ""
	Known []string // right values, one of which may have been meant
	Err   error    // what the machine or the mirror said, or nil
}

func (m *Mistake) Error() string {
	if m.Hint == "" {
		return m.Text
	}
	return m.Text + ": " + m.Hint
}

func (m *Mistake) Unwrap() error { return m.Err }

// Mistakes are several at a time.
type Mistakes []*Mistake

func (ms Mistakes) Error() string {
	texts := make([]string, len(ms))
	for i, m := range ms {
		texts[i] = m.Error()
	}
	return strings.Join(texts, "; ")
}

// AsMistakes takes the mistakes out of an error; nil if it has another cause.
func AsMistakes(err error) Mistakes {
	if ms, ok := errors.AsType[Mistakes](err); ok {
		return ms
	}
	if m, ok := errors.AsType[*Mistake](err); ok {
		return Mistakes{m}
	}
	return nil
}

// orNil is nil rather than an error of no mistakes.
func (ms Mistakes) orNil() error {
	if len(ms) == 0 {
		return nil
	}
	return slices.Clone(ms)
}
