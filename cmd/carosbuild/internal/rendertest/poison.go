// SPDX-License-Identifier: MPL-2.0

package rendertest

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// Names are names that a file can have: each character that acts on a
// terminal, bytes that are not UTF-8, and what CI services take for commands.
func Names() []string {
	out := []string{
		"z\n::set-output name=x::y\n", "::error::x", "\n##[error]x", "##vso[task.setvariable variable=x]y",
		"\r##[group]x", "\xff\xc2\x9b", "a\xe2\x80", "\ncarosbuild: all is well",
	}
	for r := rune(1); r < 0x10ffff; r++ {
		if terminal.Acts(r) {
			out = append(out, "a"+string(r)+"b")
		}
	}
	return out
}

// CheckPrinted fails where a text could act on a terminal or a CI service, or
// has a line that the program did not begin.
func CheckPrinted(t *testing.T, what, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Errorf("%s prints what is not UTF-8: %q", what, out)
	}
	for line := range strings.SplitSeq(out, "\n") {
		if strings.IndexFunc(line, terminal.Acts) >= 0 || terminal.Defuse(line) != line || line == "carosbuild: all is well" {
			t.Errorf("%s prints %q", what, out)
		}
	}
}
