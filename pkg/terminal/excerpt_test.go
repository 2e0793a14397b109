// SPDX-License-Identifier: MPL-2.0

package terminal

import (
	"strings"
	"testing"
)

func TestExcerpt(t *testing.T) {
	for in, want := range map[string]string{
		"as it is": "as it is", " two\n\tlines ": "two lines", "\x1b[31mred": "\uFFFD[31mred", "": "",
		strings.Repeat("ä", 200): strings.Repeat("ä", 200), strings.Repeat("ä", 201): strings.Repeat("ä", 200) + "...",
	} {
		if got := Excerpt(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
