// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package kas

import (
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
)

// maxFindings bounds the work and the output that hostile input can cause.
const maxFindings = 200

// report collects findings.
type report struct{ all decl.Findings }

func (r *report) add(s decl.Severity, at decl.Span, hint, format string, args []any) *decl.Finding {
	switch {
	case len(r.all) == maxFindings:
		r.all = append(r.all, decl.Finding{Span: at, Summary: "too many mistakes; the rest is not listed"})
		return &decl.Finding{}
	case len(r.all) > maxFindings:
		return &decl.Finding{}
	}
	r.all = append(r.all, decl.Finding{Severity: s, Span: at, Summary: fmt.Sprintf(format, args...), Hint: hint})
	return &r.all[len(r.all)-1]
}

// fail notes what must not be built, warn what is left out or looks wrong.
func (r *report) fail(at decl.Span, hint, format string, args ...any) *decl.Finding {
	return r.add(decl.Error, at, hint, format, args)
}

func (r *report) warn(at decl.Span, hint, format string, args ...any) *decl.Finding {
	return r.add(decl.Warning, at, hint, format, args)
}

// quote puts a word of the input into a message.
func quote(s string) string {
	const most = 100
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "..."
	}
	return `"` + strings.ToValidUTF8(s, "\uFFFD") + `"`
}

// words puts words into a sentence.
func words(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}
