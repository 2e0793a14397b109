// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/carosio/carosbuild/pkg/debfile"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func options() Options {
	return Options{Jobs: runtime.NumCPU(), Limits: debfile.DefaultLimits()}
}

// fake is a package of a test.
type fake struct {
	Name, Version string
	Arch          string // "" is all
	Fields        string // further lines of the control file
	Script        string // postinst
	Content       string // of /usr/share/NAME
	Files         []tar.Header
	Time          time.Time // of all files
}

func (p fake) arch() string {
	if p.Arch == "" {
		return "all"
	}
	return p.Arch
}

func (p fake) file() string { return fmt.Sprintf("%s_%s_%s.ipk", p.Name, p.Version, p.arch()) }

func (p fake) text() string {
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: A <a@b.c>\n%sDescription: a package\n of a test\n",
		p.Name, p.Version, p.arch(), p.Fields)
}

// bytes is the package as opkg-build makes it.
func (p fake) bytes(t testing.TB) []byte {
	t.Helper()
	control := []tar.Header{p.header("./", tar.TypeDir, 0), p.header("./control", tar.TypeReg, int64(len(p.text())))}
	contents := []string{"", p.text()}
	if p.Script != "" {
		control, contents = append(control, p.header("./postinst", tar.TypeReg, int64(len(p.Script)))), append(contents, p.Script)
	}
	content := p.Content
	if p.Files == nil {
		p.Files = []tar.Header{p.header("./", tar.TypeDir, 0), p.header("./usr/share/"+p.Name, tar.TypeReg, int64(len(content)))}
	}
	dataContents := make([]string, len(p.Files))
	for i, h := range p.Files {
		if h.Size > 0 {
			dataContents[i] = content
		}
	}
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, m := range []struct{ name, content string }{
		{"debian-binary", "2.0\n"}, {"data.tar.gz", tarGz(t, p.Files, dataContents)}, {"control.tar.gz", tarGz(t, control, contents)},
	} {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", m.name+"/", 0, 0, 0, "644", len(m.content), m.content)
		if len(m.content)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func (p fake) header(name string, kind byte, size int64) tar.Header {
	mode := int64(0o644)
	if kind == tar.TypeDir {
		mode = 0o755
	}
	when := p.Time
	if when.IsZero() {
		when = time.Unix(1450000000, 0)
	}
	return tar.Header{Typeflag: kind, Name: name, Mode: mode, Size: size, ModTime: when}
}

func tarGz(t testing.TB, headers []tar.Header, contents []string) string {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, 1)
	must(t, err)
	w := tar.NewWriter(z)
	for i, h := range headers {
		must(t, w.WriteHeader(&h))
		_, err := io.WriteString(w, contents[i])
		must(t, err)
	}
	must(t, w.Close())
	must(t, z.Close())
	return b.String()
}

// newFeed writes packages to a directory, each below its architecture.
func newFeed(t testing.TB, packages ...fake) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range packages {
		name := filepath.Join(dir, p.arch(), p.file())
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, p.bytes(t), 0o644))
	}
	return dir
}

// rebuilt is p of a later build: other times, nothing else.
func (p fake) rebuilt(version string) fake {
	p.Version, p.Time = version, time.Unix(1460000000, 0)
	return p
}

func scan(t testing.TB, names ...string) []*Package {
	t.Helper()
	out, release, err := Scan(t.Context(), names, options())
	must(t, err)
	t.Cleanup(func() { must(t, release()) })
	return out
}

// reduce makes the feed out of packages and an older feed.
func reduce(t testing.TB, older string, packages ...string) (out string, plan *Plan) {
	t.Helper()
	plan, err := Compare(t.Context(), scan(t, packages...), scan(t, older), options())
	must(t, err)
	out = filepath.Join(t.TempDir(), "out")
	must(t, plan.Write(t.Context(), out, WriteOptions{Options: options()}))
	return out, plan
}

// lines say what became of each package: kept version, or reason.
func (p *Plan) lines() string {
	var b strings.Builder
	for _, d := range p.Decisions {
		if d.Kept != nil {
			fmt.Fprintf(&b, "SKIP %s %s: %s\n", d.Package.Name, d.Package.Version, d.Kept.Version)
		} else {
			fmt.Fprintf(&b, "TAKE %s %s: %s\n", d.Package.Name, d.Package.Version, d.Reason)
		}
	}
	return b.String()
}

// tree lists the files below dir.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b.WriteString(p + "\n")
		}
		return err
	}))
	return b.String()
}

// field is a field of a package file.
func field(t testing.TB, file, name string) string {
	t.Helper()
	i, err := Inspect(file, debfile.DefaultLimits())
	must(t, err)
	defer i.Close()
	return i.control.Fields.Get(name)
}
