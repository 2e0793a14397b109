// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const newText = "Package: a\nVersion: 1-r0\nArchitecture: all\nDepends: b (= 1-r9.77)\n"

func TestWriteWith(t *testing.T) {
	for _, ending := range []string{"", ".gz", ".xz", ".zst"} {
		control, data := sample(t, ending, ".gz")
		members := []string{"debian-binary", "2.0\n", "data.tar.gz", data, "control.tar" + ending, control, "_x", "yz1"}
		for name, in := range map[string][]byte{"ar": ar(members...), "old": oldIpk(t, members...)} {
			out := rewritten(t, in, newText)
			if again := rewritten(t, in, newText); !bytes.Equal(out, again) {
				t.Errorf("%s%s: written twice, and not alike", name, ending)
			}
			f, err := openBytes(out)
			must(t, err)
			c, err := f.Control()
			must(t, err)
			if c.Text != newText || len(c.Scripts) != 1 || string(c.Scripts[0].Content) != "#!/bin/sh\n" {
				t.Errorf("%s%s: got %+v", name, ending, c)
			}
			if n, size, r, err := f.StoredData(); err != nil || n != "data.tar.gz" || size != int64(len(data)) || !sameContent(r, data) {
				t.Errorf("%s%s: data member %s of %d bytes, error %v: not as it was", name, ending, n, size, err)
			}
			want, err := openBytes(in)
			must(t, err)
			if diff := cmp.Diff(headers(t, want), headers(t, f)); diff != "" {
				t.Errorf("%s%s: control.tar (-old +new):\n%s", name, ending, diff)
			}
		}
	}
}

// headers are those of control.tar without the size of the control file.
func headers(t *testing.T, f *File) (out []tar.Header) {
	must(t, f.eachControl(func(h *tar.Header, _ io.Reader) error {
		h.Size = 0
		out = append(out, *h)
		return nil
	}))
	return out
}

func sameContent(r io.Reader, want string) bool {
	b, err := io.ReadAll(r)
	return err == nil && string(b) == want
}

func rewritten(t *testing.T, in []byte, text string) []byte {
	t.Helper()
	f, err := openBytes(in)
	must(t, err)
	var b bytes.Buffer
	must(t, f.WriteWith(&b, text))
	return b.Bytes()
}

// The archive is what "ar D" makes of the same members.
func TestWriteWithAr(t *testing.T) {
	binutils := tool(t, "ar")
	control, data := sample(t, ".gz", ".gz")
	out := rewritten(t, ar("debian-binary/", "2.0\n", "control.tar.gz/", control, "data.tar.gz/", data), newText)
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/ours", out, 0o600))
	run(t, dir, binutils, "x", "ours")
	run(t, dir, binutils, "rcD", "theirs", "debian-binary", "control.tar.gz", "data.tar.gz")
	want, err := os.ReadFile(dir + "/theirs")
	must(t, err)
	want = bytes.ReplaceAll(want, []byte("0     0     644     "), []byte("0     0     100644  ")) // ar D has no file type
	if !bytes.Equal(out, want) {
		t.Errorf("got %q..., want %q...", out[:200], want[:200])
	}
}

// dpkg-deb's packages are read, and it reads what is written.
func TestWriteWithDpkg(t *testing.T) {
	deb := tool(t, "dpkg-deb")
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/p/DEBIAN", 0o755))
	must(t, os.MkdirAll(dir+"/p/usr/share/x", 0o755))
	must(t, os.WriteFile(dir+"/p/usr/share/x/f", []byte("content"), 0o644))
	text := strings.Replace(controlText, "Description", "Maintainer: A <a@b.c>\nDescription", 1)
	must(t, os.WriteFile(dir+"/p/DEBIAN/control", []byte(text), 0o644))
	for _, kind := range []string{"gzip", "xz", "zstd", "none"} {
		run(t, dir, deb, "--root-owner-group", "--uniform-compression", "-Z"+kind, "--build", "p", kind+".deb")
		in, err := os.ReadFile(filepath.Join(dir, kind+".deb"))
		must(t, err)
		f, err := openBytes(in)
		must(t, err)
		c, err := f.Control()
		must(t, err)
		if c.Text != text {
			t.Errorf("%s: got %q, want %q", kind, c.Text, text)
		}
		must(t, os.WriteFile(dir+"/out.deb", rewritten(t, in, strings.Replace(text, "1-r0)", "1-r9.77)", 1)), 0o600))
		if got := run(t, dir, deb, "--field", "out.deb", "Depends"); got != "b (= 1-r9.77)\n" {
			t.Errorf("%s: got %q", kind, got)
		}
		if got, want := run(t, dir, deb, "--fsys-tarfile", "out.deb"), run(t, dir, deb, "--fsys-tarfile", kind+".deb"); got != want {
			t.Errorf("%s: other files", kind)
		}
	}
}

// bzip2 is read, and becomes gzip.
func TestBzip2(t *testing.T) {
	bz := tool(t, "bzip2")
	dir := t.TempDir()
	control, data := sample(t, "", "")
	for name, content := range map[string]string{"control.tar": control, "data.tar": data} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		run(t, dir, bz, name)
	}
	c, err := os.ReadFile(dir + "/control.tar.bz2")
	must(t, err)
	d, err := os.ReadFile(dir + "/data.tar.bz2")
	must(t, err)
	f, err := openBytes(rewritten(t, ar("debian-binary", "2.0\n", "control.tar.bz2/", string(c), "data.tar.bz2", string(d)), newText))
	must(t, err)
	got, err := f.Control()
	must(t, err)
	if got.Text != newText || f.control.Name != "control.tar.gz" {
		t.Errorf("got %s with %q", f.control.Name, got.Text)
	}
	if _, err := dataOf(f); err != nil {
		t.Error(err)
	}
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, errs.Bytes())
	}
	return string(out)
}

// tool finds a foreign program. Its absence skips the test, or fails it where
// CAROSBUILD_REQUIRE_TOOLS is 1.
func tool(t testing.TB, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil && os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return p
}
