// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
)

// TestBytes is TestFindings for files that no editor would write.
func TestBytes(t *testing.T) {
	utf16LE := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune("<redo/>")) {
		utf16LE = append(utf16LE, byte(u), byte(u>>8))
	}
	tests := []struct {
		name string
		data []byte
	}{
		{"no-bytes", nil},
		{"white-space", []byte(" \n\t\n")},
		{"bom", []byte("\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<redo/>\n")},
		{"bom-only", []byte("\xEF\xBB\xBF")},
		{"utf-16", utf16LE},
		{"utf-16-without-bom", utf16LE[2:]},
		{"nul", []byte("<redo>\n\x00</redo>")},
		{"latin-1", []byte("<redo>\n\t<buildstage id=\"gr\xF6\xDFe\"/>\n</redo>")},
		{"escape", []byte("<redo>\n\t<buildstage id=\"\x1b[31mred\x1b[0m\"/>\n</redo>")},
		{"crlf", []byte("<redo>\r\n\t<bad/>\r\n\ttext\r\n</redo>\r\n")},
		{"cr", []byte("<redo>\r<bad/></redo>")},
		{"too-large", append([]byte("<redo>\n"), bytes.Repeat([]byte(" "), xmltext.MaxFileSize)...)},
		{"too-deep", []byte(strings.Repeat("<redo>", 100))},
		{"too-deep-and-closed", []byte(strings.Repeat("<a>", 100000) + strings.Repeat("</a>", 100000))},
		{"too-many-mistakes", []byte("<redo>\n" + strings.Repeat("<a/>\n", 300) + "</redo>")},
		{"laughs", []byte(`<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>` + "\n<redo>\n&b;</redo>")},
	}
	var out strings.Builder
	for _, tt := range tests {
		files := []Source{{Name: tt.name + ".xml", Data: tt.data}}
		_, fs := Parse(files...)
		checkSpans(t, files, fs)
		if len(fs) > 3 {
			fs = append(fs[:3], fs[len(fs)-1])
		}
		out.WriteString(render(t, files, fs))
	}
	const golden = "testdata/bytes.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out.String(), string(want)); diff != "" {
		t.Errorf("findings (-got +want):\n%s", diff)
	}
}

func TestTooManyElements(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a million elements")
	}
	data := append([]byte("<redo>"), bytes.Repeat([]byte("<a/>"), xmltext.MaxElements)...)
	files := []Source{{Name: "a.xml", Data: append(data, "</redo>"...)}}
	_, fs := Parse(files...)
	checkSpans(t, files, fs)
	want := finding.Findings{{Span: finding.Span{File: "a.xml", Line: 1, Col: 6 + 4*(xmltext.MaxElements-1) + 2, Len: 1}, Summary: "more than 1000000 elements"}}
	if diff := cmp.Diff(fs, want); diff != "" {
		t.Errorf("findings (-got +want):\n%s", diff)
	}
}

// TestManyFindings checks that hostile files cost neither much time nor much
// output, and that a dropped error is not forgotten.
func TestManyFindings(t *testing.T) {
	manyStages := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i, (i+1)%n)
		}
		return b.String()
	}
	tests := []struct{ name, body string }{
		{"unknown elements", strings.Repeat("<a/>", 100_000)},
		{"warnings before an error", strings.Repeat("<local_conf/>", 300) + `<disk id="x"/>`},
		{"unknown prestages", manyStages(50_000, `<buildstage id="stage-%d"><prestage>stagee-%d</prestage></buildstage>`)},
		{"a long cycle", manyStages(100_000, `<buildstage id="stage-%d"><prestage>stage-%d</prestage></buildstage>`)},
		{"many selves", manyStages(1000, `<buildstage id="stage-%[1]d"><prestage>stage-%[1]d</prestage></buildstage>`)},
		{"bare ampersands", `<local_conf>` + strings.Repeat("& ", 200_000) + `</local_conf>`},
		{"bare ampersands in a value", `<layer name="` + strings.Repeat("& ", 200_000) + `"/>`},
		{"bare less-thans", `<local_conf>` + strings.Repeat("< ", 200_000) + `</local_conf>`},
		{"attributes", "<layer " + strings.Repeat(`a="" `, 20_000) + "/>"},
		{"a long value", `<layer name="` + strings.Repeat("x", 10_000_000) + `"/>`},
		{"partitions", `<disk id="x" size="1M">` + strings.Repeat(`<partition name="x" size="rest"/>`, 50_000) + `</disk>`},
	}
	for _, tt := range tests {
		files := []Source{{Name: "a.xml", Data: []byte("<redo>" + tt.body + "</redo>")}}
		start := time.Now()
		_, fs := Parse(files...)
		if d := time.Since(start); d > time.Minute {
			t.Errorf("%s: took %v", tt.name, d)
		}
		if len(fs) == 0 || len(fs) > finding.Max+1 || !fs.HasErrors() {
			t.Errorf("%s: %d findings, errors %v", tt.name, len(fs), fs.HasErrors())
		}
		if n := len(render(t, files, fs)); n > finding.Max*2000 {
			t.Errorf("%s: findings of %d bytes", tt.name, n)
		}
	}
}

func BenchmarkParse200Stages(b *testing.B) {
	var text strings.Builder
	text.WriteString("<redo>\n\t<buildstage id=\"s0\"><action>FROM debian:12</action></buildstage>\n")
	for i := 1; i < 200; i++ {
		fmt.Fprintf(&text, "\t<buildstage id=\"s%d\">\n\t\t<prestage>s%d</prestage>\n\t\t<cache path=\"/var/cache/apt\" id=\"apt\"/>\n", i, i-1)
		for j := range 5 {
			fmt.Fprintf(&text, "\t\t<action>RUN apt-get install -y package-%d &amp;&amp; true</action>\n", j)
		}
		text.WriteString("\t\t<action>ENV A=1 B=\"2 3\"</action>\n\t</buildstage>\n")
	}
	text.WriteString("</redo>\n")
	src := Source{Name: "a.xml", Data: []byte(text.String())}
	b.SetBytes(int64(len(src.Data)))
	b.ReportAllocs()
	for b.Loop() {
		if d, fs := Parse(src); len(fs) > 0 || len(d.Stages) != 200 {
			b.Fatal(fs)
		}
	}
}
