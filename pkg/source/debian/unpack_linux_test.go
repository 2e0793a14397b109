// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// unpackDebs puts packages into a cache and unpacks them into a directory
// below an outer one, which it returns too.
func unpackDebs(t testing.TB, debs ...fakeDeb) (root, outer string, err error) {
	t.Helper()
	r := newRepo(t)
	r.suite(suiteSpec{}, debs...)
	f := r.fetcher(t)
	res := &Resolution{Suite: "sid", Arch: "amd64", MergedUsr: true, Sources: "deb x sid main\n"}
	for _, d := range debs {
		data := r.files[poolPath(d)]
		res.Packages = append(res.Packages, Package{
			Name: d.Name, Version: d.Version, Arch: d.arch(), Role: Essential,
			URL: r.server.URL + "/debian", Filename: strings.TrimPrefix(poolPath(d), "/debian/"),
			Size: int64(len(data)), Sum: sha(data), Auto: d.Name == "libc6",
		})
	}
	must(t, f.Fetch(t.Context(), res))
	outer = t.TempDir()
	root = filepath.Join(outer, "root")
	must(t, os.Mkdir(root, 0o755))
	return root, outer, f.Unpack(t.Context(), res, root)
}

// listTree describes all below root, without /var/lib/dpkg/info.
func listTree(t testing.TB, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, p)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			out[name] = info.Mode().String()
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			out[name] = "-> " + target
			return err
		default:
			data, err := os.ReadFile(p)
			out[name] = fmt.Sprintf("%s %s", info.Mode(), data)
			return err
		}
		return nil
	}))
	return out
}

func TestUnpack(t *testing.T) {
	debs := baseDebs()
	slices.Reverse(debs) // base-files is not the first
	root, _, err := unpackDebs(t, debs...)
	must(t, err)
	got := listTree(t, root)
	for name, want := range map[string]string{
		".":                            "drwxr-xr-x", // base-files' word, not mawk's
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
		"var/lib/apt/extended_states":  "-rw-r--r-- Package: libc6\nArchitecture: amd64\nAuto-Installed: 1\n\n",
		"var/lib/dpkg/info/format":     "-rw-r--r-- 1\n",
		"var/lib/dpkg/info/mawk.list":  "-rw-r--r-- /.\n/bin\n/bin/mawk\n/bin/mawk2\n",
		"var/lib/dpkg/triggers/foo":    "",
		"var/lib/dpkg/info/libc6.list": "", // it is libc6:amd64
		// the package has none
		"var/lib/dpkg/info/libc6:amd64.md5sums": "-rw-r--r-- " + md5Of("libc") + "  lib/libc.so.6\n",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	a, err := os.Stat(filepath.Join(root, "usr/bin/mawk"))
	must(t, err)
	b, err := os.Stat(filepath.Join(root, "usr/bin/mawk2"))
	must(t, err)
	if !os.SameFile(a, b) || !a.ModTime().Equal(fileTime) {
		t.Errorf("mawk and mawk2: same file %v, time %v", os.SameFile(a, b), a.ModTime())
	}
	if d, err := os.Stat(filepath.Join(root, "usr/bin")); err != nil || !d.ModTime().Equal(fileTime) {
		t.Errorf("usr/bin: time %v, want %v", d.ModTime(), fileTime)
	}
}

// dpkg reads the database that we write.
func TestUnpackAgainstDpkg(t *testing.T) {
	query := tooltest.Find(t, "dpkg-query")
	root, _, err := unpackDebs(t, baseDebs()...)
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
		want  string // of the error; "" where it is harmless
	}{
		{"climbs", []tar.Header{fileEntry("../evil", 0o644, "x")}, "climbs"},
		{"climbs inside", []tar.Header{fileEntry("./a/../../evil", 0o644, "x")}, "climbs"},
		{"absolute", []tar.Header{fileEntry("/evil", 0o644, "x")}, "absolute"},
		{"directory climbs", []tar.Header{dirEntry("./../evil/", 0o755)}, "climbs"},
		{"long name", []tar.Header{fileEntry("./"+strings.Repeat("a", 256), 0o644, "x")}, "too long"},
		{"through its own link", []tar.Header{linkEntry('2', "./l", "/etc"), fileEntry("./l/evil", 0o644, "x")}, "symbolic link"},
		{"through its own link, deep", []tar.Header{linkEntry('2', "./l", "../.."), fileEntry("./l/a/b/evil", 0o644, "x")}, "symbolic link"},
		{"directory through its own link", []tar.Header{linkEntry('2', "./l", ".."), dirEntry("./l/evil/", 0o755)}, "symbolic link"},
		{"link over the root", []tar.Header{linkEntry('2', "./", "/")}, "root is not a directory"},
		{"file over a directory", []tar.Header{dirEntry("./d/", 0o755), fileEntry("./d", 0o644, "x")}, "file exists"},
		{"directory over a file", []tar.Header{fileEntry("./d", 0o644, "x"), dirEntry("./d/", 0o755)}, "place of a file"},
		{"twice", []tar.Header{fileEntry("./f", 0o644, "x"), fileEntry("./f", 0o644, "y")}, "twice"},
		{"write through an absolute link", []tar.Header{linkEntry('2', "./f", "/tmp/evil"), fileEntry("./f", 0o644, "y")}, "twice"},
		{"hard link out", []tar.Header{linkEntry('1', "./h", "../../evil")}, "climbs"},
		{"hard link to the host", []tar.Header{linkEntry('1', "./h", "/etc/passwd")}, "absolute"},
		{"hard link to another's file", []tar.Header{linkEntry('1', "./h", "./usr/bin/other")}, "not an earlier file"},
		{"hard link to a later one", []tar.Header{linkEntry('1', "./h", "./f"), fileEntry("./f", 0o644, "x")}, "not an earlier file"},
		{"hard link to a link", []tar.Header{linkEntry('2', "./l", "/etc/passwd"), linkEntry('1', "./h", "./l")}, "not an earlier file"},
		{"overlay's attributes", []tar.Header{{
			Typeflag: tar.TypeReg, Name: "./f", Mode: 0o644, ModTime: fileTime,
			PAXRecords: map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"},
		}}, "not allowed"},
		{"time before 1970", []tar.Header{{Typeflag: tar.TypeReg, Name: "./f", Mode: 0o644, ModTime: fileTime.AddDate(-60, 0, 0), Format: tar.FormatPAX}}, "time -"},
		{"another's file", []tar.Header{fileEntry("./usr/bin/other", 0o755, "x")}, "is also in package"},
		{"another's file, by its other name", []tar.Header{fileEntry("./bin/other", 0o755, "x")}, "is also in package"},
		{"device", []tar.Header{{Typeflag: tar.TypeBlock, Name: "./dev/sda", Devmajor: 8, Mode: 0o666, ModTime: fileTime}}, ""},
		{"dangling links", []tar.Header{linkEntry('2', "./l", "/nowhere"), linkEntry('2', "./m", "../../../etc/shadow")}, ""},
		{"fifo", []tar.Header{{Typeflag: tar.TypeFifo, Name: "./f", Mode: 0o600, ModTime: fileTime}}, ""},
		{"without its directory", []tar.Header{fileEntry("./deep/er/f", 0o644, "x")}, ""},
		{"through another's link", []tar.Header{fileEntry("./sbin/f", 0o644, "x")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := fakeDeb{Name: "other", Version: "1", Files: []tar.Header{dirEntry("./usr/bin/", 0o755), fileEntry("./usr/bin/other", 0o755, "o")}}
			root, outer, err := unpackDebs(t, other, fakeDeb{Name: "evil", Version: "1", Files: c.files})
			if c.want == "" && err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			entries, _ := os.ReadDir(outer)
			if len(entries) != 1 || exists("/tmp/evil") || exists("/etc/evil") {
				t.Errorf("something was written outside the root: %v", entries)
			}
			if exists(filepath.Join(root, "dev/sda")) {
				t.Error("a device node was made")
			}
		})
	}
}

// Links of another package are followed, as the root's own: neither an absolute
// target nor one that climbs leads out.
func TestUnpackThroughLinks(t *testing.T) {
	base := fakeDeb{Name: "base-files", Version: "1", Files: []tar.Header{
		dirEntry("./x/", 0o755), dirEntry("./y/", 0o755),
		linkEntry('2', "./climbing", "../../x"), linkEntry('2', "./absolute", "/y"),
	}}
	user := fakeDeb{Name: "user", Version: "1", Files: []tar.Header{
		dirEntry("./climbing/", 0o700), fileEntry("./climbing/f", 0o644, "f"), fileEntry("./absolute/g", 0o644, "g"),
	}}
	root, _, err := unpackDebs(t, base, user)
	must(t, err)
	got := listTree(t, root)
	if got["x/f"] != "-rw-r--r-- f" || got["y/g"] != "-rw-r--r-- g" || got["climbing"] != "-> ../../x" || got["x"] != "drwxr-xr-x" {
		t.Errorf("x %q, x/f %q, y/g %q, climbing %q", got["x"], got["x/f"], got["y/g"], got["climbing"])
	}
}

// A path of two packages goes to the one that replaces the other, and leaves
// the other's list, whatever their order.
func TestUnpackReplaces(t *testing.T) {
	file := func(content string) []tar.Header {
		return []tar.Header{dirEntry("./bin/", 0o755), fileEntry("./bin/x", 0o755, content)}
	}
	old := fakeDeb{Name: "old", Version: "1", Files: file("old")}
	young := fakeDeb{Name: "young", Version: "1", Fields: "Replaces: old (<< 2)\n", Files: file("young")}
	for _, debs := range [][]fakeDeb{{old, young}, {young, old}} {
		root, _, err := unpackDebs(t, debs...)
		must(t, err)
		got := listTree(t, root)
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

func TestUnpackRefuses(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{}, baseDebs()...)
	f := r.fetcher(t)
	res, err := f.Resolve(t.Context(), r.bootstrap(), Host{}, testNow)
	must(t, err)
	must(t, f.Fetch(t.Context(), res))
	full := t.TempDir()
	must(t, os.WriteFile(filepath.Join(full, "x"), nil, 0o644))
	if err := f.Unpack(t.Context(), res, full); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("root that is not empty: got %v", err)
	}
	if err := f.Unpack(t.Context(), res, filepath.Join(full, "x")); err == nil {
		t.Error("root that is a file: want an error")
	}
	name := f.debPath(res.Packages[0].Sum)
	data, err := os.ReadFile(name)
	must(t, err)
	must(t, os.WriteFile(name, flip(data, 90), 0o644))
	if err := f.Unpack(t.Context(), res, t.TempDir()); err == nil || !strings.Contains(err.Error(), "damaged in the cache") {
		t.Errorf("bit flipped in the cache: got %v", err)
	}
	res.Packages[0].Version = "9"
	must(t, os.WriteFile(name, data, 0o644))
	if err := f.Unpack(t.Context(), res, t.TempDir()); err == nil || !strings.Contains(err.Error(), "by its own word") {
		t.Errorf("other version inside: got %v", err)
	}
}

// The same packages give the same tree twice.
func TestUnpackReproducible(t *testing.T) {
	one, _, err := unpackDebs(t, baseDebs()...)
	must(t, err)
	two, _, err := unpackDebs(t, baseDebs()...)
	must(t, err)
	if diff := cmp.Diff(listTree(t, one), listTree(t, two)); diff != "" {
		t.Errorf("first and second differ:\n%s", diff)
	}
}
