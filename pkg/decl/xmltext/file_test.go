// SPDX-License-Identifier: MPL-2.0

package xmltext

import (
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

func TestSpanOfLongLine(t *testing.T) {
	line := strings.Repeat("é漢x", 5000)
	f := newFile(0, "a", []byte("first\n"+line+"\nlast"))
	for _, n := range []int{0, 1, 1023, 1024, 5000, 14999} {
		off := len("first\n") + len(string([]rune(line)[:n]))
		want := finding.Span{File: "a", Line: 2, Col: n + 1, Len: 1}
		if got := f.at(off, off).Span(); got != want {
			t.Errorf("character %d: got %+v, want %+v", n, got, want)
		}
	}
}
