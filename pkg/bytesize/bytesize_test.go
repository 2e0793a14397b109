// SPDX-License-Identifier: MPL-2.0

package bytesize

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "512": 512, "0512": 512, "8K": 8 << 10, "128M": 128 << 20, "8G": 8 << 30, "2T": 2 << 40, "0T": 0,
		"9223372036854775807": math.MaxInt64, "8388607T": 8388607 << 40, "9007199254740991K": math.MaxInt64 &^ 1023,
	} {
		if got, err := Parse(s); err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for s, tooLarge := range map[string]bool{
		"": false, "M": false, "K1": false, "1k": false, "1KB": false, "1KK": false, "1MiB": false, "1.5G": false, "-1": false, "+1": false,
		" 1": false, "1 ": false, "1 M": false, "\t1": false, "1\n": false, "0x10": false, "1_000": false, "1e3": false, "١": false,
		"9223372036854775808": true, "9007199254740992K": true, "8388608T": true, "99999999999999999999G": true, strings.Repeat("9", 1000): true,
	} {
		got, err := Parse(s)
		var e *Error
		if !errors.As(err, &e) || e.TooLarge != tooLarge || e.Text != s || got != 0 {
			t.Errorf("Parse(%q) = %d, %v, want an error, too large %v", s, got, err, tooLarge)
		}
	}
	if _, err := Parse("1k"); fmt.Sprint(err) != `size "1k" is not a number, alone or followed by K, M, G or T` {
		t.Error(err)
	}
	if _, err := Parse("8388608T"); fmt.Sprint(err) != `size "8388608T" is too large` {
		t.Error(err)
	}
}

func TestParsePartition(t *testing.T) {
	for s, want := range map[string]Partition{
		"fit": {Fit: true}, "rest": {Rest: true}, "fit+512M": {Bytes: 512 << 20, Fit: true}, "fit+0": {Fit: true}, "128M": {Bytes: 128 << 20},
	} {
		if got, err := ParsePartition(s); err != nil || got != want {
			t.Errorf("ParsePartition(%q) = %+v, %v, want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "fit+", "fit-1M", "fit +1M", "fit+ 1M", "fit+rest", "rest+1M", "Fit", " rest", "-1M", "fit+-1M", "fit+8388608T"} {
		if got, err := ParsePartition(s); err == nil || got != (Partition{}) {
			t.Errorf("ParsePartition(%q) = %+v, want an error", s, got)
		}
	}
}

// FuzzParse: what is read is what strings of digits mean, and is never negative.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "0", "8G", "fit+1M", "rest", "9223372036854775807", "8388608T", "-1", " 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if n < 0 || err != nil && n != 0 {
			t.Errorf("Parse(%q) = %d, %v", s, n, err)
		}
		p, perr := ParsePartition(s)
		if p.Bytes < 0 || p.Fit && p.Rest || perr != nil && p != (Partition{}) || err == nil && p != (Partition{Bytes: n}) {
			t.Errorf("ParsePartition(%q) = %+v, %v", s, p, perr)
		}
	})
}
