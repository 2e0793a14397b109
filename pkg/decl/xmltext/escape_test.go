// SPDX-License-Identifier: MPL-2.0

package xmltext

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
)

// escapeSamples have what ends a comment, a text or a value, and every control
// character.
func escapeSamples() []string {
	all := []string{"", "-", "--", "--->", "---><x/>", "a --> b", "]]>", `"><x a="`, "a & b &lt; '", "\u202e\u2028\ufeff\ufffe\uffff", "<!--", "x-"}
	for r := range rune(0xa0) {
		all = append(all, "a"+string(r)+"b")
	}
	return all
}

// FuzzEscape reads back what was written, and expects nothing else there.
func FuzzEscape(f *testing.F) {
	for _, s := range escapeSamples() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		doc := "<r a=\"" + EscapeAttr(s) + "\"><!-- " + EscapeComment(s) + " -->" + EscapeText(s) + "</r>"
		if !PlainText(doc) {
			t.Errorf("%q: something that is not plain in %q", s, doc)
		}
		var r struct {
			A    string `xml:"a,attr"`
			Text string `xml:",chardata"`
		}
		if err := xml.Unmarshal([]byte(doc), &r); err != nil {
			t.Fatalf("%q: %v in %q", s, err, doc)
		}
		kinds := ""
		for d := xml.NewDecoder(strings.NewReader(doc)); ; {
			token, err := d.Token()
			if err != nil {
				break
			}
			if _, text := token.(xml.CharData); !text {
				kinds += fmt.Sprintf("%T ", token)
			}
		}
		if kinds != "xml.StartElement xml.Comment xml.EndElement " {
			t.Errorf("%q: %sin %q", s, kinds, doc)
		}
		if !PlainText(s) || strings.Contains(s, "\r") || strings.ToValidUTF8(s, "") != s {
			return
		}
		if r.A != s || r.Text != s {
			t.Errorf("%q: read back as %q and %q", s, r.A, r.Text)
		}
	})
}
