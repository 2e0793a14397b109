// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"errors"
	"strings"
	"testing"
)

func TestOutput(t *testing.T) {
	for _, tt := range []struct {
		name   string
		max    int64
		writes []string
		want   string
	}{
		{"below the limit", 10, []string{"one\n", "two\n"}, "one\ntwo\n"},
		{"exactly", 8, []string{"one\n", "two\n"}, "one\ntwo\n"},
		{"within a line", 6, []string{"one\n", "two\n", "three"}, "one\ntw\n[7 bytes of output were thrown away: the limit is 6]\n"},
		{"at the end of a line", 4, []string{"one\n", "two\n"}, "one\n[4 bytes of output were thrown away: the limit is 4]\n"},
		{"nothing is kept", 0, []string{"x"}, "[1 bytes of output were thrown away: the limit is 0]\n"},
	} {
		var b strings.Builder
		o := NewOutput(&b, tt.max)
		for _, w := range tt.writes {
			if n, err := o.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("%s: wrote %d of %d, %v", tt.name, n, len(w), err)
			}
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
