// SPDX-License-Identifier: MPL-2.0

package ocitest

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"
	"time"
)

// Reg is a regular file.
func Reg(name, content string) Member {
	return Member{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}, content}
}

// Dir is a directory.
func Dir(name string) Member {
	return Member{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, ""}
}

// Sym is a symbolic link.
func Sym(name, to string) Member {
	return Member{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to, Mode: 0o777}, ""}
}

// Hard is a hard link to a member.
func Hard(name, to string) Member {
	return Member{tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to}, ""}
}

// With is a member with a modified header.
func With(m Member, f func(*tar.Header)) Member {
	f(&m.Header)
	return m
}

// Member is a file in a tar stream.
type Member struct {
	tar.Header
	Content string
}

// MakeTar makes a stream of members.
func MakeTar(t testing.TB, members ...Member) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, m := range members {
		if m.ModTime.IsZero() && m.Typeflag != tar.TypeXGlobalHeader {
			m.ModTime = time.Unix(1700000000, 0)
		}
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.Content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
