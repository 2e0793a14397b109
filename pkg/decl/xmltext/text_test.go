// SPDX-License-Identifier: MPL-2.0

package xmltext

import (
	"bytes"
	"encoding/xml"
	"testing"
	"unicode/utf8"
)

// FuzzText compares the decoding of text with that of encoding/xml, which does not
// tell the places.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a&amp;b", "&#228;x&#x1F600;", "<![CDATA[&amp;]]>]]&gt;", "a\r\nb\rc", "<!-- x -->a<![CDATA[]]>", "漢&lt;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		data := []byte("<a>" + s + "</a>")
		var want struct {
			Text string `xml:",chardata"`
		}
		if bytes.HasPrefix([]byte(s), []byte("<")) || xml.Unmarshal(data, &want) != nil {
			return
		}
		rep := &Report{}
		root, complete := Read(0, "", data, rep)
		if !complete || len(rep.All) > 0 || len(root.Kids) > 0 {
			return
		}
		got := root.Text()
		if got.S != want.Text {
			t.Fatalf("%q decodes to %q, want %q", s, got.S, want.Text)
		}
		last := 0
		for i, r := range got.S {
			at := got.Place(i, i+utf8.RuneLen(max(r, 0)))
			if at.from < last || at.to <= at.from || at.to > len(data) {
				t.Fatalf("%q: character %d of %q stands at %d to %d, the one before ends at %d", s, i, got.S, at.from, at.to, last)
			}
			last = at.to
		}
	})
}
