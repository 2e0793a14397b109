// SPDX-License-Identifier: MPL-2.0

package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzText: no text changes the elements and attributes of the page, or makes it other
// than well-formed.
func FuzzText(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "/") {
			text = strings.ReplaceAll(text, "/", "|") // of a path it would make another number of directories
		}
		if diff := cmp.Diff(structure(t, render(t, everything(text))), structure(t, render(t, everything("")))); diff != "" {
			t.Errorf("(-got +want):\n%s", diff)
		}
	})
}
