// SPDX-License-Identifier: MPL-2.0

// Package debtest makes packages for tests: a .deb is a value, and Base is a small
// distribution of them.
package debtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Deb describes a package for a test.
type Deb struct {
	Name, Version string
	Arch          string            // "" is amd64
	Fields        string            // additional lines of the control file
	Control       map[string]string // additional control members
	Files         []tar.Header      // of data.tar; contents in PAXRecords["test.content"]
	Pack          string            // ".xz" if ""
}

// FileTime is the time of all files.
var FileTime = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

// Dir is a directory of data.tar.
func Dir(name string, mode int64) tar.Header {
	return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, ModTime: FileTime}
}

// File is a file.
func File(name string, mode int64, content string) tar.Header {
	return tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: mode, ModTime: FileTime, Size: int64(len(content)),
		PAXRecords: map[string]string{"test.content": content},
	}
}

// Link is a link of any type that tar has.
func Link(kind byte, name, target string) tar.Header {
	return tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o777, ModTime: FileTime}
}

// Architecture is Arch, or amd64 if that is empty.
func (d Deb) Architecture() string {
	if d.Arch == "" {
		return "amd64"
	}
	return d.Arch
}

// Stanza is the control file.
func (d Deb) Stanza() string {
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: A <a@b.c>\n%sDescription: a package\n with a long text \n",
		d.Name, d.Version, d.Architecture(), d.Fields)
}

// Build makes the .deb.
func (d Deb) Build(t testing.TB) []byte {
	t.Helper()
	var control bytes.Buffer
	c := tar.NewWriter(&control)
	writeTar(t, c, Dir("./", 0o755), "")
	writeTar(t, c, File("./control", 0o644, d.Stanza()), d.Stanza())
	for _, name := range slices.Sorted(maps.Keys(d.Control)) {
		text := d.Control[name]
		mode := int64(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		writeTar(t, c, File("./"+name, mode, text), text)
	}
	must(t, c.Close())
	data := Tar(t, d.Files)
	pack := d.Pack
	if pack == "" {
		pack = ".xz"
	}
	return Ar("debian-binary", "2.0\n",
		"control.tar"+pack, string(Compress(t, pack, control.Bytes())),
		"data.tar"+pack, string(Compress(t, pack, data)))
}

// Tar is an archive of files.
func Tar(t testing.TB, files []tar.Header) []byte {
	t.Helper()
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for _, h := range files {
		content := h.PAXRecords["test.content"]
		rest := map[string]string{}
		for k, v := range h.PAXRecords {
			if k != "test.content" {
				rest[k] = v
			}
		}
		h.PAXRecords = rest
		writeTar(t, w, h, content)
	}
	must(t, w.Close())
	return data.Bytes()
}

func writeTar(t testing.TB, w *tar.Writer, h tar.Header, content string) {
	t.Helper()
	if h.PAXRecords["test.content"] != "" {
		h.PAXRecords = nil
	}
	must(t, w.WriteHeader(&h))
	_, err := io.WriteString(w, content)
	must(t, err)
}

// Ar makes an ar archive from names and contents in turn.
func Ar(parts ...string) []byte {
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for i := 0; i < len(parts); i += 2 {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", parts[i], 0, 0, 0, "100644", len(parts[i+1]), parts[i+1])
		if len(parts[i+1])%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// Compress compresses data as the file extension says.
func Compress(t testing.TB, ending string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch ending {
	case ".xz":
		w, err = xz.NewWriter(&b)
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".zst":
		w, err = zstd.NewWriter(&b)
	default:
		return data
	}
	must(t, err)
	_, err = w.Write(data)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}
