// SPDX-License-Identifier: MPL-2.0

package words

import (
	"strings"
	"testing"
)

func TestSuggest(t *testing.T) {
	known := []string{"carosio", "yocto", "id", "label", "RUN"}
	tests := []struct{ word, want string }{
		{"carosioo", "carosio"},
		{"coarsio", "carosio"},
		{"CAROSIO", "carosio"},
		{"run", "RUN"},
		{"yotco", "yocto"},
		{"lable", "label"},
		{"i", "id"},
		{"lab", "label"},
		{"xy", ""},
		{"openembedded", ""},
		{"", ""},
		{strings.Repeat("x", 1000), ""},
	}
	for _, tt := range tests {
		if got := Suggest(tt.word, known); got != tt.want {
			t.Errorf("Suggest(%q) = %q, want %q", tt.word, got, tt.want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 files", 1: "1 file", 2: "2 files"} {
		if got := Count(n, "file"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
