// SPDX-License-Identifier: MPL-2.0

package unpack

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/debfile"
	"github.com/carosio/carosbuild/pkg/source/debian/debtest"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

func TestParseDebFaults(t *testing.T) {
	control := string(debtest.Compress(t, ".gz", debtest.Tar(t, []tar.Header{debtest.File("./control", 0o644, "Package: a\n")})))
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "not an ar archive"},
		{"no members", []byte("!<arch>\n"), "lacks"},
		{"only a version", debtest.Ar("debian-binary", "2.0\n"), "lacks"},
		{"format 3", debtest.Ar("debian-binary", "3.0\n", "control.tar.gz", control, "data.tar", ""), "format 2"},
		{"version not first", debtest.Ar("control.tar.gz", control, "debian-binary", "2.0\n"), "at its beginning"},
		{"data before control", debtest.Ar("debian-binary", "2.0\n", "data.tar", "", "control.tar", ""), "not expected"},
		{"two control members", debtest.Ar("debian-binary", "2.0\n", "control.tar", "", "control.tar.xz", "", "data.tar", ""), "not expected"},
		{"foreign member", debtest.Ar("debian-binary", "2.0\n", "evil", ""), "not expected"},
		{"truncated", debtest.Ar("debian-binary", "2.0\n", "control.tar.gz", control)[:140], "truncated"},
		{"negative size", bytes.Replace(debtest.Ar("debian-binary", "2.0\n"), []byte("4         `"), []byte("-60       `"), 1), "size"},
		{"huge size", bytes.Replace(debtest.Ar("debian-binary", "2.0\n"), []byte("4         `"), []byte("9999999999`"), 1), "truncated"},
		{"bad header", []byte("!<arch>\n" + strings.Repeat("x", 60)), "malformed"},
	} {
		if _, err := parseDeb(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
	ok := debtest.Ar("debian-binary", "2.0\n", "_gpgbuilder", "x", "control.tar.gz", control, "data.tar", "", "more", "x")
	if _, err := parseDeb(ok); err != nil {
		t.Errorf("with an additional member: %v", err)
	}
}

func TestReadControlFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []tar.Header
		want  string
	}{
		{"empty", nil, "no control file"},
		{"two paragraphs", []tar.Header{debtest.File("./control", 0o644, "Package: a\n\nPackage: b\n")}, "want one paragraph"},
		{"climbing member", []tar.Header{debtest.File("../../x", 0o644, "x")}, "not allowed"},
		{"subdirectory", []tar.Header{debtest.File("./x/y", 0o644, "x")}, "not allowed"},
		{"link", []tar.Header{debtest.Link('2', "./postinst", "/bin/sh")}, "not allowed"},
		{"dpkg's own name", []tar.Header{debtest.File("./list", 0o644, "x")}, "not allowed"},
	} {
		d := deb{controlName: "control.tar", control: debtest.Tar(t, c.files)}
		if _, err := d.readControl(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
	for _, line := range []string{"etc/x", "/etc/../x", "/", "/a//b"} {
		c := control{members: []controlMember{{name: "conffiles", content: []byte(line + "\n")}}}
		if got, err := c.conffiles(); err == nil {
			t.Errorf("conffile %q: got %v, want an error", line, got)
		}
	}
}

func TestDecompress(t *testing.T) {
	text := bytes.Repeat([]byte("squeamish ossifrage "), 5000)
	for _, ending := range []string{".xz", ".gz", ".zst", ".tar"} {
		packed := debtest.Compress(t, ending, text)
		twice := append(bytes.Clone(packed), packed...)
		r, err := debfile.Decompress("x"+ending, bytes.NewReader(twice))
		must(t, err)
		if got, err := io.ReadAll(r); err != nil || len(got) != 2*len(text) {
			t.Errorf("%s: two streams: got %d bytes, error %v; want %d", ending, len(got), err, 2*len(text))
		}
		if ending == ".tar" {
			continue
		}
		for what, bad := range map[string][]byte{
			"cut short":   packed[:len(packed)-3],
			"bit flipped": flip(packed, len(packed)/2),
		} {
			r, err := debfile.Decompress("x"+ending, bytes.NewReader(bad))
			if err == nil {
				_, err = io.ReadAll(r)
			}
			if err == nil {
				t.Errorf("%s %s: read without an error", ending, what)
			}
		}
	}
	huge := "\x5d\xff\xff\xff\xff" + strings.Repeat("\xff", 8) // a dictionary of 4 GiB
	for name, data := range map[string]string{"data.tar.lz4": "", "data.tar.lzma": "", "x.lzma": huge} {
		if _, err := debfile.Decompress(name, strings.NewReader(data)); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x10
	return b
}

// Everything that xz writes, with each of its checks, can be read.
func TestDecompressForeign(t *testing.T) {
	xz := tooltest.Find(t, "xz")
	text := bytes.Repeat([]byte("0123456789abcdef\x00\x01"), 20000)
	for _, option := range []string{"--check=crc32", "--check=crc64", "--check=sha256", "--block-size=50000", "--x86"} {
		name := filepath.Join(t.TempDir(), "f")
		must(t, os.WriteFile(name, text, 0o644))
		args := []string{option}
		if option == "--x86" {
			args = append(args, "--lzma2")
		}
		out, err := exec.Command(xz, append(args, name)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		packed, err := os.ReadFile(name + ".xz")
		must(t, err)
		r, err := debfile.Decompress("f.xz", bytes.NewReader(packed))
		must(t, err)
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: got %d bytes, error %v", option, len(got), err)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
