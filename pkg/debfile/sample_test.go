// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

var fileTime = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

const controlText = "Package: a\nVersion: 1-r0\nArchitecture: all\nDepends: b (= 1-r0)\nDescription: x\n long\n .\n"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// file is an entry of a tar; names that end in / are directories.
type file struct{ name, content string }

func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, ModTime: fileTime, Size: int64(len(f.content)), Uid: 3, Gname: "staff"}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if target, ok := strings.CutPrefix(f.content, "-> "); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, target, 0
		}
		must(t, w.WriteHeader(&h))
		if h.Size > 0 {
			_, err := io.WriteString(w, f.content)
			must(t, err)
		}
	}
	must(t, w.Close())
	return b.Bytes()
}

func pack(t testing.TB, ending string, data []byte) []byte {
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

// ar takes names and contents in turn.
func ar(parts ...string) []byte {
	var b bytes.Buffer
	b.WriteString(arMagic)
	for i := 0; i < len(parts); i += 2 {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", parts[i], 1234567890, 1000, 1000, "100600", len(parts[i+1]), parts[i+1])
		if len(parts[i+1])%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// oldIpk is a gzip'd tar of members.
func oldIpk(t testing.TB, parts ...string) []byte {
	t.Helper()
	var files []file
	for i := 0; i < len(parts); i += 2 {
		files = append(files, file{"./" + parts[i], parts[i+1]})
	}
	return pack(t, ".gz", tarOf(t, files...))
}

// sample is the members of a small package.
func sample(t testing.TB, controlEnding, dataEnding string) (control, data string) {
	t.Helper()
	control = string(pack(t, controlEnding, tarOf(t, file{"./", ""}, file{"./postinst", "#!/bin/sh\n"}, file{"./control", controlText})))
	data = string(pack(t, dataEnding, tarOf(t, file{"./", ""}, file{"./usr/bin/a", "hello"}, file{"./usr/bin/b", "-> a"})))
	return control, data
}

func openBytes(b []byte) (*File, error) {
	return Open(bytes.NewReader(b), int64(len(b)), DefaultLimits())
}
