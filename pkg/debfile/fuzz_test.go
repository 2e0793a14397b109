// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"bytes"
	"testing"
)

// FuzzFile reads whatever opens, and writes it again: what is written reads
// the same.
func FuzzFile(f *testing.F) {
	for _, ending := range []string{"", ".gz", ".xz", ".zst"} {
		control, data := sample(f, ending, ending)
		f.Add(ar("debian-binary", "2.0\n", "control.tar"+ending, control, "data.tar"+ending, data))
		f.Add(oldIpk(f, "debian-binary", "2.0\n", "data.tar"+ending, data, "control.tar"+ending, control))
	}
	limits := Limits{Control: 1 << 20, Unpacked: 1 << 20, Entries: 100, Names: 1 << 16}
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := Open(bytes.NewReader(in), int64(len(in)), limits)
		if err != nil {
			return
		}
		data, dataErr := dataOf(p)
		c, err := p.Control()
		if err != nil {
			return
		}
		var out bytes.Buffer
		if p.WriteWith(&out, c.Text) != nil {
			return // a tar header that Go reads but does not write
		}
		q, err := Open(bytes.NewReader(out.Bytes()), int64(out.Len()), DefaultLimits())
		must(t, err)
		again, err := q.Control()
		must(t, err)
		if again.Text != c.Text || len(again.Scripts) != len(c.Scripts) {
			t.Errorf("got %+v, want %+v", again, c)
		}
		if got, err := dataOf(q); dataErr == nil && (err != nil || got != data) {
			t.Errorf("got %q, error %v, want %q", got, err, data)
		}
	})
}

func FuzzStanzas(f *testing.F) {
	f.Add("Package: a\nDescription: x\n y\n .\n\nPackage: b\n# c\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ParseStanzas(text)
		if err != nil {
			return
		}
		for _, s := range all {
			again, err := ParseStanzas(s.String())
			if err != nil || len(again) != 1 || again[0].String() != s.String() {
				t.Errorf("%q becomes %q, then %v, %v", text, s.String(), again, err)
			}
		}
	})
}
