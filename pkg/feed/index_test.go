// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

func TestIndex(t *testing.T) {
	liar := fake{Name: "liar", Version: "1", Fields: "Filename: /etc/shadow\nSize: 1\nMD5Sum: x\nSHA256: y\nStatus: install ok installed\n"}
	dir := newFeed(t, fake{Name: "a", Version: "1-r0", Arch: "x86"}, liar)
	for _, x := range []Index{{}, {Flat: true, Release: true, Date: time.Unix(1450000000, 0)}} {
		must(t, WriteIndex(t.Context(), dir, x, options()))
		at, name := dir+"/all", "liar_1_all.ipk"
		if x.Flat {
			at, name = dir, "all/liar_1_all.ipk"
		}
		text, err := os.ReadFile(at + "/Packages")
		must(t, err)
		file, err := os.ReadFile(dir + "/all/liar_1_all.ipk")
		must(t, err)
		want := fmt.Sprintf("Package: liar\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: a package\n of a test\nFilename: %s\nSize: %d\nMD5Sum: %x\nSHA256: %x\nSHA256sum: %x\n\n",
			name, len(file), sum("md5sum", file), sum("sha256sum", file), sum("sha256sum", file))
		if got, _, _ := strings.Cut(string(text), "Package: a\n"); got != want {
			t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
		}
		packed, err := os.ReadFile(at + "/Packages.gz")
		must(t, err)
		z, err := gzip.NewReader(bytes.NewReader(packed))
		must(t, err)
		if plain, err := io.ReadAll(z); err != nil || !bytes.Equal(plain, text) || !z.ModTime.IsZero() || z.Name != "" {
			t.Errorf("Packages.gz is not Packages, or has a time or name")
		}
	}
	if want := strings.Count(tree(t, dir), "Packages\n"); want != 3 {
		t.Errorf("got %d indices, want 2 and the flat one", want)
	}
	empty := t.TempDir()
	must(t, WriteIndex(t.Context(), empty, Index{}, options()))
	if got, want := tree(t, empty), "Packages\nPackages.gz\n"; got != want {
		t.Errorf("empty feed: got %q, want %q", got, want)
	}
}

// sum is what coreutils say.
func sum(program string, data []byte) rawHex {
	cmd := exec.Command(program)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		return rawHex(err.Error())
	}
	return rawHex(strings.Fields(string(out))[0])
}

// rawHex prints itself for %x.
type rawHex string

func (r rawHex) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, string(r)) }

// An index follows no link that stands in the way of its files.
func TestIndexReplacesLinks(t *testing.T) {
	dir := newFeed(t, fake{Name: "a", Version: "1"})
	victim := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(victim, []byte("mine"), 0o600))
	must(t, os.Symlink(victim, dir+"/all/Packages"))
	must(t, WriteIndex(t.Context(), dir, Index{}, options()))
	if got, err := os.ReadFile(victim); err != nil || string(got) != "mine" {
		t.Errorf("got %q, error %v", got, err)
	}
}

// apt takes the feed as a source, finds the older package in it, and fetches
// files with the right sums.
func TestApt(t *testing.T) {
	tooltest.Find(t, "apt-get")
	deb := tooltest.Find(t, "dpkg-deb")
	older, newer := t.TempDir(), t.TempDir()
	for _, p := range []struct{ dir, name, version, depends, content string }{
		{older, "caros-lib", "1.0-r0.9", "", "same"},
		{newer, "caros-lib", "1.0-r0.10", "", "same"},
		{older, "caros-tool", "2.0-r0.9", "caros-lib (= 1.0-r0.9)", "old"},
		{newer, "caros-tool", "2.0-r0.10", "caros-lib (= 1.0-r0.10)", "new"},
	} {
		root := t.TempDir()
		must(t, os.MkdirAll(root+"/DEBIAN", 0o755))
		must(t, os.WriteFile(root+"/f", []byte(p.content), 0o644))
		text := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n", p.name, p.version)
		if p.depends != "" {
			text += "Depends: " + p.depends + "\n"
		}
		must(t, os.WriteFile(root+"/DEBIAN/control", []byte(text), 0o644))
		must(t, os.MkdirAll(p.dir+"/all", 0o755))
		run(t, deb, "--root-owner-group", "--build", root, p.dir+"/all")
	}
	plan, err := Compare(t.Context(), scan(t, newer), scan(t, older), options())
	must(t, err)
	for name, c := range map[string]struct {
		index Index
		below string
	}{
		"flat":          {Index{Flat: true, Release: true, Date: time.Unix(1450000000, 0)}, ""},
		"per directory": {Index{Release: true, Date: time.Unix(1450000000, 0)}, "/all"},
		"no Release":    {Index{}, "/all"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			must(t, plan.Write(t.Context(), out, WriteOptions{Options: options(), Index: c.index}))
			apt := privateApt(t, "deb [trusted=yes] file:"+out+c.below+" ./\n")
			if got := apt("apt-get", "update"); strings.Contains(got, "\nW:") || strings.Contains(got, "\nE:") {
				t.Errorf("apt-get update says\n%s", got)
			}
			if got := apt("apt-cache", "policy", "caros-lib"); !strings.Contains(got, "Candidate: 1.0-r0.9\n") {
				t.Errorf("apt-cache policy says\n%s", got)
			}
			if got := apt("apt-get", "install", "--simulate", "caros-tool"); !strings.Contains(got, "Inst caros-lib (1.0-r0.9 ") || !strings.Contains(got, "Inst caros-tool (2.0-r0.10 ") {
				t.Errorf("apt-get install says\n%s", got)
			}
			apt("apt-get", "download", "caros-lib", "caros-tool")
			same(t, "caros-lib_1.0-r0.9_all.deb", older+"/all/caros-lib_1.0-r0.9_all.deb")
			if got := run(t, deb, "--field", "caros-tool_2.0-r0.10_all.deb", "Depends"); got != "caros-lib (= 1.0-r0.9)\n" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// privateApt runs apt's programs on directories of the test's own, in one of
// which they run.
func privateApt(t *testing.T, sources string) func(program string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"etc/preferences.d", "etc/sources.list.d", "etc/apt.conf.d", "state/lists/partial", "cache/archives/partial", "log", "work"} {
		must(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	must(t, os.WriteFile(dir+"/etc/sources.list", []byte(sources), 0o644))
	must(t, os.WriteFile(dir+"/status", nil, 0o644))
	conf := fmt.Sprintf("Dir::Etc %q;\nDir::State %q;\nDir::State::status %q;\nDir::Cache %q;\nDir::Log %q;\nAPT::Sandbox::User \"\";\nAcquire::Languages \"none\";\nAPT::Architecture \"amd64\";\n",
		dir+"/etc", dir+"/state", dir+"/status", dir+"/cache", dir+"/log")
	must(t, os.WriteFile(dir+"/conf", []byte(conf), 0o644))
	t.Setenv("APT_CONFIG", dir+"/conf")
	t.Chdir(dir + "/work")
	return func(program string, args ...string) string { return run(t, program, args...) }
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}
