// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"
)

// packed is a member of a tar stream that is being made.
type packed struct {
	tar.Header
	content string
}

func reg(name, content string) packed {
	return packed{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}, content}
}

func dir(name string) packed {
	return packed{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, ""}
}

func sym(name, to string) packed {
	return packed{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to, Mode: 0o777}, ""}
}

func hard(name, to string) packed {
	return packed{tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to}, ""}
}

func dev(name string, typ byte) packed {
	return packed{tar.Header{Typeflag: typ, Name: name, Mode: 0o600, Devmajor: 8, Devminor: 1}, ""}
}

func with(p packed, f func(*tar.Header)) packed {
	f(&p.Header)
	return p
}

func pack(t testing.TB, members ...packed) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, m := range members {
		if m.ModTime.IsZero() && m.Typeflag != tar.TypeXGlobalHeader {
			m.ModTime = time.Unix(1700000000, 0)
		}
		err := w.WriteHeader(&m.Header)
		if err == nil {
			_, err = io.WriteString(w, m.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func asLayers(streams ...[]byte) []Layer {
	var out []Layer
	for i, s := range streams {
		out = append(out, Layer{Name: fmt.Sprint("layer ", i), Tar: bytes.NewReader(s), Size: int64(len(s))})
	}
	return out
}

// lines has one line for each entry except for an ordinary root.
func lines(t testing.TB, tr *Tree) []string {
	t.Helper()
	var out []string
	for i := range tr.Entries {
		e := &tr.Entries[i]
		line := fmt.Sprintf("%s %o", e.Path, e.Mode)
		switch {
		case e.Hardlink != "":
			line = e.Path + " = " + e.Hardlink
		case e.Type() == Symlink:
			line = e.Path + " -> " + e.Link
		case e.Type() == Char || e.Type() == Block:
			line += fmt.Sprintf(" %d:%d", e.Rdev.Major, e.Rdev.Minor)
		case e.Content != nil:
			b, err := io.ReadAll(io.NewSectionReader(e.Content, 0, e.Size))
			if err != nil || int64(len(b)) != e.Size {
				t.Errorf("%s: %d of %d bytes, %v", e.Path, len(b), e.Size, err)
			}
			line += " " + string(b)
		}
		if e.UID != 0 || e.GID != 0 {
			line += fmt.Sprintf(" %d:%d", e.UID, e.GID)
		}
		for _, x := range e.Xattrs {
			line += fmt.Sprintf(" %s=%q", x.Name, x.Value)
		}
		if e.Path != "" || line != " 40755" {
			out = append(out, line)
		}
	}
	return out
}

// replaced is a layer on top of one that has foo/bar and baz/bar.
func replaced(upper ...packed) [][]packed {
	return [][]packed{{reg("foo/bar", "1"), reg("baz/bar", "2")}, upper}
}
