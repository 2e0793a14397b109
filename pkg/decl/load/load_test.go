// SPDX-License-Identifier: MPL-2.0

package load

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// folder makes files in a folder, changes into it, and returns a loader with a
// built-in declaration.
func folder(t *testing.T, files map[string]string) Loader {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return Loader{Dir: filepath.Join(t.TempDir(), "targets"), BuiltIn: fstest.MapFS{
		"ground.xml": {Data: []byte("<redo/>")}, "built.xml": {Data: []byte(`<redo base="ground.xml"/>`)}, "ground/etc/motd": {Data: []byte("hello")},
	}}
}

func names(sources []decl.Source) []string {
	var out []string
	for _, s := range sources {
		out = append(out, s.Name)
	}
	return out
}

func TestBases(t *testing.T) {
	l := folder(t, map[string]string{
		"alone.xml": "<redo/>", "site.xml": `<redo base="sub/mid.xml"/>`, "sub/mid.xml": `<redo base="low.xml"/>`, "sub/low.xml": "\ufeff<redo/>",
		"on-built.xml": `<redo base="built.xml"/>`, "mine.xml": `<redo base="ground.xml"/>`, "sub/ground.xml": "<redo/>",
		"a.xml": `<redo base="b.xml"/>`, "b.xml": `<redo base="a.xml"/>`,
		"no-xml.xml": `<redo base="secret"/>`, "secret": "password", "dir.xml": `<redo base="sub"/>`, "none.xml": `<redo base="gone.xml"/>`,
	})
	for _, tt := range []struct {
		file    string
		want    []string
		problem string // in the error
	}{
		{"alone.xml", nil, ""},
		{"site.xml", []string{"sub/low.xml", "sub/mid.xml"}, ""},
		{"on-built.xml", []string{"ground.xml", "built.xml"}, ""},
		{"mine.xml", []string{"ground.xml"}, ""},
		{"a.xml", []string{"a.xml", "b.xml"}, "it is based on itself"},
		{"no-xml.xml", []string{"no-xml.xml"}, "secret is not a declaration: it does not begin with <"},
		{"dir.xml", []string{"dir.xml"}, "sub is not a regular file"},
		{"none.xml", []string{"none.xml"}, "no gone.xml, and none of that name is built in"},
	} {
		src, err := File(tt.file)
		if err != nil {
			t.Fatal(err)
		}
		bases, err := l.Bases(src, nil)
		if diff := cmp.Diff(tt.want, names(bases)); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.file, diff)
		}
		var findings *finding.ListError
		switch {
		case tt.problem == "" && err != nil:
			t.Errorf("%s: %v", tt.file, err)
		case tt.problem != "" && (!errors.As(err, &findings) || !strings.Contains(findings.Findings[0].Summary, tt.problem) || findings.Findings[0].Span.File != tt.want[len(tt.want)-1]):
			t.Errorf("%s: got %v, want %s", tt.file, err, tt.problem)
		}
	}
	src, err := File("site.xml")
	if err != nil {
		t.Fatal(err)
	}
	low, err := File("sub/low.xml")
	if err != nil {
		t.Fatal(err)
	}
	if bases, err := l.Bases(src, []decl.Source{low}); err != nil || !cmp.Equal(names(bases), []string{"sub/mid.xml"}) {
		t.Errorf("with one that was read before: %v, %v", names(bases), err)
	}
}

// The files that a built-in declaration names are unpacked once, and again when they
// are damaged.
func TestEmbedded(t *testing.T) {
	l := folder(t, nil)
	if _, err := l.Embedded("none.xml"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	src, err := l.Embedded("ground.xml")
	if err != nil {
		t.Fatal(err)
	}
	cwd, err := os.Getwd()
	if err != nil || len(src.Dirs) != 2 || src.Dirs[0] != cwd || string(src.Data) != "<redo/>" {
		t.Fatalf("%+v, %v", src, err)
	}
	motd := filepath.Join(src.Dirs[1], "ground/etc/motd")
	for _, damage := range []func() error{
		func() error { return nil }, func() error { return os.Truncate(motd, 1) }, func() error { return os.Remove(motd) }, func() error { return os.RemoveAll(l.Dir) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if again, err := l.Embedded("ground.xml"); err != nil || !cmp.Equal(again, src) {
			t.Errorf("%+v, %v", again, err)
		}
		if data, err := os.ReadFile(motd); err != nil || string(data) != "hello" {
			t.Errorf("%q, %v", data, err)
		}
	}
	if left, err := os.ReadDir(l.Dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestLimited(t *testing.T) {
	if data, err := Limited("/dev/zero"); err != nil || len(data) != maxFile {
		t.Errorf("%d bytes of a device, %v", len(data), err)
	}
	for text, want := range map[string]bool{"<a/>": true, "\ufeff \r\n\t<a/>": true, "": false, "a<": false, "\ufeff": false} {
		if got := BeginsAsXML([]byte(text)); got != want {
			t.Errorf("%q begins as XML: %v, want %v", text, got, want)
		}
	}
}
