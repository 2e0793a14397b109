// SPDX-License-Identifier: MPL-2.0

package decl

import "testing"

func TestParseSize(t *testing.T) {
	tests := []struct {
		v    string
		want int64 // -1: an error
	}{
		{"0", 0},
		{"512", 512},
		{"8K", 8 << 10},
		{"128M", 128 << 20},
		{"8G", 8 << 30},
		{"2T", 2 << 40},
		{"9223372036854775807", 1<<63 - 1},
		{"8388607T", 8388607 << 40},
		{"9223372036854775808", -1},
		{"8388608T", -1},
		{"99999999999999999999G", -1},
		{"G", -1},
		{"8GB", -1},
		{"8g", -1},
		{"-1", -1},
		{"+1", -1},
		{"1.5G", -1},
		{"1 G", -1},
		{"0x10", -1},
		{"1_0", -1},
		{"٣", -1},
	}
	for _, tt := range tests {
		got, fl := parseSize(tt.v)
		if fl != nil {
			got = -1
		}
		if got != tt.want {
			t.Errorf("parseSize(%q) = %d, want %d", tt.v, got, tt.want)
		}
	}
}
