// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// tarGz is an archive of files, "name=content", and directories, "name/".
func tarGz(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, f := range files {
		name, content, isFile := strings.Cut(f, "=")
		h := tar.Header{Name: "./" + name, Typeflag: tar.TypeDir, Mode: 0o755, ModTime: time.Unix(1e9, 0)}
		if isFile {
			h.Typeflag, h.Mode, h.Size = tar.TypeReg, 0o644, int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// deb is a Debian package with files.
func deb(t *testing.T, name string, files ...string) []byte {
	t.Helper()
	control := fmt.Sprintf("Package: %s\nVersion: 1\nArchitecture: amd64\nMaintainer: a <a@b.c>\nDescription: x\n", name)
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, m := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", tarGz(t, "control="+control)}, {"data.tar.gz", tarGz(t, files...)}} {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", m.name, 0, 0, 0, "100644", len(m.data), m.data)
		if len(m.data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// mirror serves packages, base-files and others, which apt installs.
func mirror(t *testing.T, others ...string) *debian.Resolution {
	t.Helper()
	res := &debian.Resolution{Suite: "bookworm", Arch: "amd64", Variant: "essential", Sources: "deb http://mirror bookworm main\n"}
	files := map[string][]byte{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if files[q.URL.Path] == nil {
			http.NotFound(w, q)
			return
		}
		_, _ = w.Write(files[q.URL.Path])
	}))
	t.Cleanup(s.Close)
	for i, name := range append([]string{"base-files"}, others...) {
		data := deb(t, name, "./", "etc/", "etc/"+name+"=1")
		files["/"+name+".deb"] = data
		p := debian.Package{
			Name: name, Version: "1", Arch: "amd64", Role: debian.Essential, URL: s.URL, Filename: name + ".deb", Size: int64(len(data)),
			Sum: fmt.Sprintf("%x", sha256.Sum256(data)),
		}
		if i > 0 {
			p.Role, p.Stanza = debian.Extra, "Package: "+name+"\nVersion: 1\nArchitecture: amd64\nFilename: "+p.Filename+"\n"
		}
		res.Packages = append(res.Packages, p)
	}
	return res
}

// bootstrap is a BOOTSTRAP of packages.
func (b *bench) bootstrap(res *debian.Resolution) plan.Step {
	b.Packages = &debian.Fetcher{Cache: filepath.Join(b.CacheDir, "debian"), HTTP: http.DefaultClient, SkipOwners: true, Backoff: time.Millisecond}
	b.box.Archs = []string{"amd64"}
	return b.step("BOOTSTRAP", &plan.Bootstrap{Wanted: debian.Bootstrap{Suite: "bookworm", Arch: "amd64"}, Packages: res})
}

// A bootstrap unpacks and configures its base and installs the rest, as the superuser and
// without a network.
func TestBootstrapStep(t *testing.T) {
	b := newBench(t)
	res := mirror(t, "hello")
	b.box.Program = func(_ context.Context, s sandbox.Command) (int, error) {
		data, err := os.ReadFile(filepath.Join(s.Root, "etc/base-files"))
		if err != nil || string(data) != "1" {
			t.Errorf("the base has %q, %v", data, err)
		}
		for _, m := range s.Mounts {
			if st, err := os.Stat(m.Source); err != nil || !st.IsDir() || !m.ReadOnly {
				t.Errorf("mount %+v: %v", m, err)
			}
		}
		fmt.Fprintf(s.Stdout, "Setting up x (1) ...\n")
		return 0, fill(s.Root, fmt.Sprintf("etc/script%d=1", len(b.box.Steps())))
	}
	job := plan.Job{ID: "s", Caches: []plan.Cache{{Path: "/c"}}, Steps: []plan.Step{b.bootstrap(res)}}
	got := must(t)(b.job(b.base("left=1"), job))
	if got.Config.Architecture != "amd64" || len(got.Config.History) != 1 {
		t.Errorf("configuration %+v", got.Config)
	}
	for _, name := range []string{"etc/base-files", "etc/script1", "etc/script2", "var/lib/dpkg/status"} {
		if _, err := os.Stat(filepath.Join(b.snaps.LayerDir(got.Layer), name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(b.snaps.LayerDir(got.Layer), "left")); err == nil {
		t.Error("what was before is in the layer")
	}
	steps := b.box.Steps()
	if len(steps) != 2 {
		t.Fatalf("%d commands", len(steps))
	}
	for i, script := range []string{res.ConfigureScript(), res.InstallScript()} {
		s := steps[i]
		if !slices.Equal(s.Args, []string{"/bin/sh", "-c", script}) || s.UID != 0 || s.Network != sandbox.NoNetwork || s.Arch != "amd64" || len(s.Mounts) != 2*i {
			t.Errorf("command %d: %+v", i, s)
		}
	}
	if events := b.events.all(); !slices.Contains(events, "progress configure packages 1/1") || !slices.ContainsFunc(events, func(e string) bool { return strings.HasPrefix(e, "progress download packages") }) {
		t.Errorf("events %q", events)
	}
}

func TestBootstrapStepFails(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(b *bench, res *debian.Resolution)
		want   string
	}{
		"architecture": {func(b *bench, _ *debian.Resolution) { b.box.Archs = nil }, "no emulator"},
		"download":     {func(_ *bench, res *debian.Resolution) { res.Packages[0].Filename = "none.deb" }, "fetch base-files 1"},
		"package":      {func(_ *bench, res *debian.Resolution) { res.Packages[0].Version = "2" }, "unpack base-files 2"},
		"configure": {func(b *bench, _ *debian.Resolution) {
			b.box.Program = func(context.Context, sandbox.Command) (int, error) { return 3, nil }
		}, "exit status 3"},
		"install": {func(b *bench, _ *debian.Resolution) {
			b.box.Program = func(context.Context, sandbox.Command) (int, error) { return 4 * (len(b.box.Steps()) - 1), nil }
		}, "exit status 4"},
		"scratch": {func(b *bench, _ *debian.Resolution) { b.Scratch = os.DevNull }, "files for the sandbox"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			res := mirror(t, "hello")
			s := b.bootstrap(res)
			if tt.change(b, res); name == "architecture" {
				s.Action.(*plan.Bootstrap).Wanted.Arch = "riscv64"
			}
			_, err := b.execute(engine.State{}, s)
			if se := stepError(t, err); !strings.Contains(se.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
