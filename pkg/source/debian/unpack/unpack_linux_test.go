// SPDX-License-Identifier: MPL-2.0

package unpack

import (
	"archive/tar"
	"crypto/md5"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/source/debian/debtest"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// unpackDebs unpacks packages into a directory below an outer one, which it returns too.
func unpackDebs(t testing.TB, debs ...debtest.Deb) (root, outer string, err error) {
	t.Helper()
	set := Set{Arch: "amd64", MergedUsr: true, Sources: "deb x sid main\n", States: "Package: libc6\n\n"}
	for _, d := range debs {
		data := d.Build(t)
		set.Packages = append(set.Packages, Package{
			Name: d.Name, Version: d.Version, Size: int64(len(data)), Read: func() ([]byte, error) { return data, nil },
		})
	}
	outer = t.TempDir()
	root = filepath.Join(outer, "root")
	must(t, os.Mkdir(root, 0o755))
	return root, outer, set.Unpack(t.Context(), root, Options{SkipOwners: true})
}

func TestUnpack(t *testing.T) {
	debs := debtest.Base()
	slices.Reverse(debs) // base-files is not the first
	root, _, err := unpackDebs(t, debs...)
	must(t, err)
	got := debtest.List(t, root)
	for name, want := range map[string]string{
		".":                            "drwxr-xr-x", // base-files determines it, not mawk
		"bin":                          "-> usr/bin",
		"lib64":                        "-> usr/lib64",
		"var/run":                      "-> /run",
		"tmp":                          "dtrwxrwxrwx",
		"usr/bin":                      "drwxr-xr-x",
		"usr/bin/mawk":                 "-rwxr-xr-x #!mawk",
		"usr/lib/libc.so.6":            "urwxr-xr-x libc",
		"etc/issue":                    "-rw-r--r-- Debian\n",
		"etc/issue.dpkg-new":           "-rw-r--r-- Debian\n",
		"etc/apt/sources.list":         "-rw-r--r-- deb x sid main\n",
		"etc/fstab":                    "-rw-r--r-- # UNCONFIGURED FSTAB FOR BASE SYSTEM\n",
		"var/lib/dpkg/arch":            "-rw-r--r-- amd64\n",
		"var/lib/dpkg/triggers/File":   "-rw-r--r-- /usr/share/x libc6:amd64/noawait\n",
		"var/lib/apt/extended_states":  "-rw-r--r-- Package: libc6\n\n",
		"var/lib/dpkg/info/format":     "-rw-r--r-- 1\n",
		"var/lib/dpkg/info/mawk.list":  "-rw-r--r-- /.\n/bin\n/bin/mawk\n/bin/mawk2\n",
		"var/lib/dpkg/triggers/foo":    "",
		"var/lib/dpkg/info/libc6.list": "", // it is libc6:amd64
		// the package has none
		"var/lib/dpkg/info/libc6:amd64.md5sums": "-rw-r--r-- " + fmt.Sprintf("%x", md5.Sum([]byte("libc"))) + "  lib/libc.so.6\n",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	a, err := os.Stat(filepath.Join(root, "usr/bin/mawk"))
	must(t, err)
	b, err := os.Stat(filepath.Join(root, "usr/bin/mawk2"))
	must(t, err)
	if !os.SameFile(a, b) || !a.ModTime().Equal(debtest.FileTime) {
		t.Errorf("mawk and mawk2: same file %v, time %v", os.SameFile(a, b), a.ModTime())
	}
	if d, err := os.Stat(filepath.Join(root, "usr/bin")); err != nil || !d.ModTime().Equal(debtest.FileTime) {
		t.Errorf("usr/bin: time %v, want %v", d.ModTime(), debtest.FileTime)
	}
}

// dpkg reads the database that we write.
func TestUnpackAgainstDpkg(t *testing.T) {
	query := tooltest.Find(t, "dpkg-query")
	root, _, err := unpackDebs(t, debtest.Base()...)
	must(t, err)
	admin := "--admindir=" + filepath.Join(root, dpkgDir)
	out, err := exec.Command(query, admin, "-W", "-f", `${binary:Package} ${Version} ${db:Status-Abbrev}${Conffiles}\n`).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := "apt 2.6 iU \nbase-files 12 iU  /etc/issue newconffile\nlibc6:amd64 2.36-9 iU \nmawk 1.3 iU \n"
	if diff := cmp.Diff(string(out), want); diff != "" {
		t.Errorf("dpkg-query (got, want):\n%s", diff)
	}
	out, err = exec.Command(query, admin, "-L", "libc6").CombinedOutput()
	if want := "/.\n/lib\n/lib/libc.so.6\n"; err != nil || string(out) != want {
		t.Errorf("dpkg-query -L: got %q, %v, want %q", out, err, want)
	}
	out, err = exec.Command(query, admin, "-s", "mawk").CombinedOutput()
	if want := "Description: a package\n with a long text"; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("dpkg-query -s: got %q, %v, want %q in it", out, err, want)
	}
}

func TestUnpackHostile(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []tar.Header
		want  string // of the error; "" if it is harmless
	}{
		{"climbs", []tar.Header{debtest.File("../evil", 0o644, "x")}, "climbs"},
		{"climbs inside", []tar.Header{debtest.File("./a/../../evil", 0o644, "x")}, "climbs"},
		{"absolute", []tar.Header{debtest.File("/evil", 0o644, "x")}, "absolute"},
		{"directory climbs", []tar.Header{debtest.Dir("./../evil/", 0o755)}, "climbs"},
		{"long name", []tar.Header{debtest.File("./"+strings.Repeat("a", 256), 0o644, "x")}, "too long"},
		{"through its own link", []tar.Header{debtest.Link('2', "./l", "/etc"), debtest.File("./l/evil", 0o644, "x")}, "symbolic link"},
		{"through its own link, deep", []tar.Header{debtest.Link('2', "./l", "../.."), debtest.File("./l/a/b/evil", 0o644, "x")}, "symbolic link"},
		{"directory through its own link", []tar.Header{debtest.Link('2', "./l", ".."), debtest.Dir("./l/evil/", 0o755)}, "symbolic link"},
		{"link over the root", []tar.Header{debtest.Link('2', "./", "/")}, "root is not a directory"},
		{"file over a directory", []tar.Header{debtest.Dir("./d/", 0o755), debtest.File("./d", 0o644, "x")}, "file exists"},
		{"directory over a file", []tar.Header{debtest.File("./d", 0o644, "x"), debtest.Dir("./d/", 0o755)}, "place of a file"},
		{"twice", []tar.Header{debtest.File("./f", 0o644, "x"), debtest.File("./f", 0o644, "y")}, "twice"},
		{"write through an absolute link", []tar.Header{debtest.Link('2', "./f", "/tmp/evil"), debtest.File("./f", 0o644, "y")}, "twice"},
		{"hard link out", []tar.Header{debtest.Link('1', "./h", "../../evil")}, "climbs"},
		{"hard link to the host", []tar.Header{debtest.Link('1', "./h", "/etc/passwd")}, "absolute"},
		{"hard link to another's file", []tar.Header{debtest.Link('1', "./h", "./usr/bin/other")}, "not an earlier file"},
		{"hard link to a later one", []tar.Header{debtest.Link('1', "./h", "./f"), debtest.File("./f", 0o644, "x")}, "not an earlier file"},
		{"hard link to a link", []tar.Header{debtest.Link('2', "./l", "/etc/passwd"), debtest.Link('1', "./h", "./l")}, "not an earlier file"},
		{"overlay's attributes", []tar.Header{{
			Typeflag: tar.TypeReg, Name: "./f", Mode: 0o644, ModTime: debtest.FileTime,
			PAXRecords: map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"},
		}}, "not allowed"},
		{"time before 1970", []tar.Header{{Typeflag: tar.TypeReg, Name: "./f", Mode: 0o644, ModTime: debtest.FileTime.AddDate(-60, 0, 0), Format: tar.FormatPAX}}, "time -"},
		{"another's file", []tar.Header{debtest.File("./usr/bin/other", 0o755, "x")}, "is also in package"},
		{"another's file, by its other name", []tar.Header{debtest.File("./bin/other", 0o755, "x")}, "is also in package"},
		{"device", []tar.Header{{Typeflag: tar.TypeBlock, Name: "./dev/sda", Devmajor: 8, Mode: 0o666, ModTime: debtest.FileTime}}, ""},
		{"dangling links", []tar.Header{debtest.Link('2', "./l", "/nowhere"), debtest.Link('2', "./m", "../../../etc/shadow")}, ""},
		{"fifo", []tar.Header{{Typeflag: tar.TypeFifo, Name: "./f", Mode: 0o600, ModTime: debtest.FileTime}}, ""},
		{"without its directory", []tar.Header{debtest.File("./deep/er/f", 0o644, "x")}, ""},
		{"through another's link", []tar.Header{debtest.File("./sbin/f", 0o644, "x")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := debtest.Deb{Name: "other", Version: "1", Files: []tar.Header{debtest.Dir("./usr/bin/", 0o755), debtest.File("./usr/bin/other", 0o755, "o")}}
			root, outer, err := unpackDebs(t, other, debtest.Deb{Name: "evil", Version: "1", Files: c.files})
			if c.want == "" && err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			entries, _ := os.ReadDir(outer)
			if len(entries) != 1 || there("/tmp/evil") || there("/etc/evil") {
				t.Errorf("something was written outside the root: %v", entries)
			}
			if there(filepath.Join(root, "dev/sda")) {
				t.Error("a device node was made")
			}
		})
	}
}

// Links of another package are followed as the root's own: neither an absolute
// target nor one with .. leads out.
func TestUnpackThroughLinks(t *testing.T) {
	base := debtest.Deb{Name: "base-files", Version: "1", Files: []tar.Header{
		debtest.Dir("./x/", 0o755), debtest.Dir("./y/", 0o755),
		debtest.Link('2', "./climbing", "../../x"), debtest.Link('2', "./absolute", "/y"),
	}}
	user := debtest.Deb{Name: "user", Version: "1", Files: []tar.Header{
		debtest.Dir("./climbing/", 0o700), debtest.File("./climbing/f", 0o644, "f"), debtest.File("./absolute/g", 0o644, "g"),
	}}
	root, _, err := unpackDebs(t, base, user)
	must(t, err)
	got := debtest.List(t, root)
	if got["x/f"] != "-rw-r--r-- f" || got["y/g"] != "-rw-r--r-- g" || got["climbing"] != "-> ../../x" || got["x"] != "drwxr-xr-x" {
		t.Errorf("x %q, x/f %q, y/g %q, climbing %q", got["x"], got["x/f"], got["y/g"], got["climbing"])
	}
}

// A path of two packages belongs to the one that replaces the other, and is removed
// from the other's list, whatever their order.
func TestUnpackReplaces(t *testing.T) {
	file := func(content string) []tar.Header {
		return []tar.Header{debtest.Dir("./bin/", 0o755), debtest.File("./bin/x", 0o755, content)}
	}
	old := debtest.Deb{Name: "old", Version: "1", Files: file("old")}
	young := debtest.Deb{Name: "young", Version: "1", Fields: "Replaces: old (<< 2)\n", Files: file("young")}
	for _, debs := range [][]debtest.Deb{{old, young}, {young, old}} {
		root, _, err := unpackDebs(t, debs...)
		must(t, err)
		got := debtest.List(t, root)
		if got["usr/bin/x"] != "-rwxr-xr-x young" {
			t.Errorf("got %q, want the file of young", got["usr/bin/x"])
		}
		if want := "-rw-r--r-- /bin\n"; got["var/lib/dpkg/info/old.list"] != want {
			t.Errorf("list of old: got %q, want %q", got["var/lib/dpkg/info/old.list"], want)
		}
	}
	young.Fields = "Replaces: old (<< 1)\n"
	if _, _, err := unpackDebs(t, old, young); err == nil || !strings.Contains(err.Error(), "is also in package") {
		t.Errorf("replaces another version: got %v", err)
	}
}

// The same packages give the same tree twice.
func TestUnpackReproducible(t *testing.T) {
	one, _, err := unpackDebs(t, debtest.Base()...)
	must(t, err)
	two, _, err := unpackDebs(t, debtest.Base()...)
	must(t, err)
	if diff := cmp.Diff(debtest.List(t, one), debtest.List(t, two)); diff != "" {
		t.Errorf("first and second differ:\n%s", diff)
	}
}

func there(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
