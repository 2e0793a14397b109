// SPDX-License-Identifier: MPL-2.0

package field

import "testing"

func FuzzRelations(f *testing.F) {
	f.Add("perl:any (>= 5), foo:amd64 | bar (<< 1~) | baz [amd64]")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = ParseRelations(text, "amd64")
	})
}
