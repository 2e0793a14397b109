// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"bytes"
	"encoding/xml"
	"io"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// FuzzParse checks that parsing and rendering end without a panic whatever the file
// contains, that the place of every finding is in the file, and that a file that
// encoding/xml refuses gives an error here too.
func FuzzParse(f *testing.F) {
	f.Add([]byte(everything))
	names, err := filepath.Glob("testdata/findings/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range ar.Files {
			if file.Name != want {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		files := []Source{{Name: "a.xml", Data: data}, {Name: "b.xml", Data: []byte("<redo/>")}}
		d, fs := Parse(files...)
		checkSpans(t, files, fs)
		for _, s := range allSpans(d) {
			checkSpans(t, files, finding.Findings{{Span: s, Summary: "declared"}})
		}
		for _, color := range []bool{false, true} {
			var out bytes.Buffer
			if err := fs.Render(&out, Texts(files), color); err != nil {
				t.Fatal(err)
			}
			if color {
				continue
			}
			if i := bytes.IndexFunc(out.Bytes(), func(r rune) bool { return r != '\n' && r != '\t' && terminal.Acts(r) }); i >= 0 || !utf8.Valid(out.Bytes()) {
				t.Errorf("rendered findings have control characters or broken ones: %q", out.String())
			}
		}
		if err := wellFormed(data); err != nil && !fs.HasErrors() {
			t.Errorf("no error, but encoding/xml says: %v", err)
		}
	})
}

func allSpans(d *Declaration) []finding.Span {
	var all []finding.Span
	for _, s := range d.Stages {
		all = append(all, s.Span)
		for _, a := range s.Actions {
			all = append(all, a.Written().Span)
		}
		for _, c := range s.Caches {
			all = append(all, c.Span)
		}
	}
	for _, c := range d.LocalConf {
		all = append(all, c.Span)
	}
	for _, k := range d.Disks {
		all = append(all, k.Span)
		for _, p := range k.Partitions {
			all = append(all, p.Span)
			for _, it := range p.Items {
				all = append(all, it.At(""))
			}
		}
	}
	return all
}

func wellFormed(data []byte) error {
	dec := xml.NewDecoder(bytes.NewReader(data))
	for {
		if _, err := dec.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
