// SPDX-License-Identifier: MPL-2.0

package yocto

import (
	"cmp"
	"strings"
)

// natural compares versions: runs of digits as numbers, and the rest byte by byte,
// so that 1.9 comes before 1.10.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x == "" || y == "" {
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		a, b = a[len(x):], b[len(y):]
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// digits are the digits at the beginning of a text.
func digits(s string) string { return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))] }
