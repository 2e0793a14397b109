// SPDX-License-Identifier: MPL-2.0

package yocto

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNatural(t *testing.T) {
	want := []string{"", "1.0", "1.0-r2", "1.0-r10", "1.9", "1.10", "1.10a", "2", "10", "a"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, natural)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	for _, equal := range [][2]string{{"1.0", "1.0"}, {"1.01", "1.1"}, {"18446744073709551616", "018446744073709551616"}} {
		if natural(equal[0], equal[1]) != 0 {
			t.Errorf("%v are not equal", equal)
		}
	}
}
