// SPDX-License-Identifier: MPL-2.0

package bytesize

import (
	"math"
	"testing"
)

func TestFormat(t *testing.T) {
	const k, m, g, tera = int64(1) << 10, int64(1) << 20, int64(1) << 30, int64(1) << 40
	for _, c := range []struct {
		n                       int64
		format, atLeast, atMost string
	}{
		{0, "0 B", "0 bytes", "0 bytes"},
		{-5, "-5 B", "-5 bytes", "-5 bytes"},
		{1023, "1023 B", "1023 bytes", "1023 bytes"},
		{k, "1 KiB", "1 KiB", "1 KiB"},
		{k + 1, "1.0 KiB", "1.1 KiB", "1 KiB"},
		{3*k + 512, "3.5 KiB", "3.5 KiB", "3.5 KiB"},
		{87*m - 33*512, "87.0 MiB", "87 MiB", "86.9 MiB"},
		{100*k - 1, "100 KiB", "100 KiB", "99.9 KiB"},
		{100*k + 511, "100 KiB", "101 KiB", "100 KiB"},
		{100*k + 512, "101 KiB", "101 KiB", "100 KiB"},
		{m - 1, "1.0 MiB", "1024 KiB", "1023 KiB"},
		{942714880, "899 MiB", "900 MiB", "899 MiB"},
		{9*g + 1, "9.0 GiB", "9.1 GiB", "9 GiB"},
		{1536 * m, "1.5 GiB", "1.5 GiB", "1.5 GiB"},
		{g, "1 GiB", "1 GiB", "1 GiB"},
		{2048 * tera, "2048 TiB", "2048 TiB", "2048 TiB"},
		{math.MaxInt64, "8388608 TiB", "8388608 TiB", "8388607 TiB"},
	} {
		if got := Format(c.n); got != c.format {
			t.Errorf("Format(%d) = %q, want %q", c.n, got, c.format)
		}
		if got := AtLeast(c.n); got != c.atLeast {
			t.Errorf("AtLeast(%d) = %q, want %q", c.n, got, c.atLeast)
		}
		if got := AtMost(c.n); got != c.atMost {
			t.Errorf("AtMost(%d) = %q, want %q", c.n, got, c.atMost)
		}
	}
}
