// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"bytes"
	"io"
	"testing"
)

// FuzzSplit: however a stream is split, inlining gives the same bytes.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("header"), []byte("content"), []byte("trailer"))
	f.Fuzz(func(t *testing.T, head, content, tail []byte) {
		if len(content) == 0 {
			return
		}
		var record, inlined, out bytes.Buffer
		s := newSplitter(&record)
		s.Write(head)
		s.beginFile()
		s.Write(content)
		pos := s.pos
		s.endFile("f")
		s.Write(tail)
		if _, n, err := s.finish(); err != nil || n != int64(len(head)+len(content)+len(tail)) {
			t.Fatal(n, err)
		}
		err := inlineFiles(&inlined, &record, map[int]io.Reader{pos: bytes.NewReader(content)})
		if err != nil {
			t.Fatal(err)
		}
		if err := Assemble(&out, &inlined, t.TempDir(), nil); err != nil {
			t.Fatal(err)
		}
		if want := string(head) + string(content) + string(tail); out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
}
