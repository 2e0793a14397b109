// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"archive/tar"
	"fmt"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// An error about a file prints its name as text: nothing in it can act on a terminal or
// look like another line.
func TestErrorsPrintNamesAsText(t *testing.T) {
	for _, place := range []error{
		(&differ{DiffOptions: DiffOptions{Limit: 1}, split: &splitter{size: 2}}).write(&tar.Header{Name: "a\x1b\n", Size: 2}),
		fmt.Errorf("x %s", shown("a\u202e\n::error::")),
		&Mismatch{"a\u202e\n::error::", "is missing"},
	} {
		if strings.IndexFunc(place.Error(), terminal.Acts) >= 0 {
			t.Errorf("%q", place)
		}
	}
}
