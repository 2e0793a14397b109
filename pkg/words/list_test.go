// SPDX-License-Identifier: MPL-2.0

package words

import (
	"slices"
	"testing"
)

func TestListAndFew(t *testing.T) {
	many := slices.Repeat([]string{"x"}, 11)
	for _, tt := range []struct{ got, want string }{
		{List(nil), ""},
		{List([]string{"a"}), "a"},
		{List([]string{"a", "b", "c"}), "a, b and c"},
		{Few(nil), ""},
		{Few([]string{"a", "b"}), "a, b"},
		{Few(many), "x, x, x, x, x, x, x, x, x, x and 1 other"},
		{Few(append(many, "y")), "x, x, x, x, x, x, x, x, x, x and 2 others"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
