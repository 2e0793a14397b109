// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"errors"
	"strings"
	"testing"
)

func TestOutput(t *testing.T) {
	for _, tt := range []struct {
		name    string
		max     int64
		writes  []string
		dropped int64
		want    string
	}{
		{"below the limit", 10, []string{"one\n", "two\n"}, 0, "one\ntwo\n"},
		{"exactly", 8, []string{"one\n", "two\n"}, 0, "one\ntwo\n"},
		{"little more than the limit", 6, []string{"one\n", "two\n", "three"}, 0, "one\ntwo\nthree"},
		{"within a line", 6, []string{"one\n", "two\n", "three\n", "four\n"}, 5, "one\ntw\n[8 bytes of output were discarded: the limit is 6]\nfour\n"},
		{"at the end of a line", 4, []string{"one\n", "12345678\n"}, 1, "one\n[1 bytes of output were discarded: the limit is 4]\n2345678\n"},
		{"no line ends", 0, []string{"123456", "7890"}, 2, "[2 bytes of output were discarded: the limit is 0]\n34567890"},
	} {
		var b strings.Builder
		o := NewOutput(&b, tt.max)
		o.keep = 8
		for _, w := range tt.writes {
			if n, err := o.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("%s: wrote %d of %d, %v", tt.name, n, len(w), err)
			}
		}
		if got := o.Dropped(); got != tt.dropped {
			t.Errorf("%s: %d bytes are dropped, want %d", tt.name, got, tt.dropped)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		if err := o.Close(); err != nil || b.String() != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, b.String(), err, tt.want)
		}
	}
}

type fullDisk struct{ err error }

func (f fullDisk) Write(p []byte) (int, error) { return len(p) / 2, f.err }

func TestOutputError(t *testing.T) {
	full := errors.New("full")
	o := NewOutput(fullDisk{full}, 100)
	if n, err := o.Write([]byte("1234")); n != 2 || !errors.Is(err, full) {
		t.Errorf("got %d, %v", n, err)
	}
}
