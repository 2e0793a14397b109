// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
	"github.com/carosio/carosbuild/pkg/xdg"
)

// Anybody can make a directory with the name that podman uses below /tmp.
func TestRunRootOfOthers(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	const uid = 987654 // without a directory below /run/user
	run := filepath.Join(dir, "podman-run-987654")
	env := func(name string) string { return map[string]string{"HOME": dir}[name] }
	want := map[string]string{
		"absent": filepath.Join(dir, ".local/share/carosbuild/run/containers"),
		"ours":   filepath.Join(run, "containers"),
		"open":   filepath.Join(dir, ".local/share/carosbuild/run/containers"),
		"linked": filepath.Join(dir, ".local/share/carosbuild/run/containers"),
	}
	for _, kind := range []string{"absent", "ours", "open", "linked"} {
		switch kind {
		case "ours":
			if err := os.Mkdir(run, 0o700); err != nil {
				t.Fatal(err)
			}
		case "open":
			if err := os.Chmod(run, 0o777); err != nil {
				t.Fatal(err)
			}
		case "linked":
			if err := errors.Join(os.Remove(run), os.Symlink(dir, run)); err != nil {
				t.Fatal(err)
			}
		}
		p, err := defaultPaths(env, uid)
		if err != nil || p.RunRoot != want[kind] {
			t.Errorf("%s: %s, %v; want %s", kind, p.RunRoot, err, want[kind])
		}
	}
}

func TestPodmanPaths(t *testing.T) {
	dir, env := ocitest.Home(t, nil)
	got, err := PodmanPaths(env, 1000)
	if err != nil {
		t.Fatal(err)
	}
	want := Paths{GraphRoot: filepath.Join(dir, ".local/share/containers/storage"), RunRoot: filepath.Join(dir, "run/containers")}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	dir, env = ocitest.Home(t, map[string]string{".config/containers/storage.conf": "[storage]\ndriver = \"overlay\"\ngraphroot = \"$HOME/images-$UID\"\nrunroot='/run/x'\n"})
	if got, err = PodmanPaths(env, 1000); err != nil || got != (Paths{GraphRoot: dir + "/images-1000", RunRoot: "/run/x", Driver: "overlay"}) {
		t.Errorf("%v %v", got, err)
	}
	_, env = ocitest.Home(t, map[string]string{".config/containers/storage.conf": "nonsense"})
	if _, err = PodmanPaths(env, 1000); err == nil {
		t.Error("a damaged storage.conf is accepted")
	}
	if _, err := PodmanPaths(func(string) string { return "" }, 1000); err == nil {
		t.Error("paths without HOME")
	}
}

func TestPodmanDriver(t *testing.T) {
	for _, tt := range []struct {
		name, conf string
		dirs       []string
		want       string
	}{
		{"nothing", "", nil, ""},
		{"ours only", "", []string{"overlay-images"}, ""},
		{"it has chosen vfs", "", []string{"libpod", "vfs-images", "overlay-images"}, "vfs"},
		{"it has chosen overlay", "", []string{"libpod", "overlay-images"}, "overlay"},
		{"it is told", "[storage]\ndriver = \"overlay\"\n", []string{"libpod", "vfs-images"}, "overlay"},
		{"it is told otherwise", "[storage]\ndriver = \"btrfs\"\n", nil, "btrfs"},
	} {
		dir := t.TempDir()
		conf := filepath.Join(dir, "storage.conf")
		if err := os.WriteFile(conf, []byte(tt.conf), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := PodmanPaths(func(name string) string {
			return map[string]string{"HOME": dir, "XDG_RUNTIME_DIR": dir, "CONTAINERS_STORAGE_CONF": conf}[name]
		}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tt.dirs {
			if err := os.MkdirAll(filepath.Join(p.GraphRoot, d), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if got := p.PodmanDriver(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRuntimeDirOfOthers(t *testing.T) {
	own := t.TempDir()
	file := filepath.Join(own, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := "/proc/1" // init's, the superuser's
	if os.Getuid() == 0 {
		foreign = t.TempDir()
		if err := os.Chown(foreign, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string]string{
		own: own, "": "", "run": "", filepath.Join(own, "none"): "", file: "", foreign: "",
	} {
		env := func(name string) string {
			return map[string]string{"XDG_RUNTIME_DIR": dir, "HOME": "/home/x", "CONTAINERS_STORAGE_CONF": filepath.Join(own, "none.conf")}[name]
		}
		if got := xdg.RuntimeDir(env); got != want {
			t.Errorf("XDG_RUNTIME_DIR=%s: got %q, want %q", dir, got, want)
		}
		p, err := PodmanPaths(env, 4711)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" && dir != "" && strings.HasPrefix(p.RunRoot, dir) || !strings.HasPrefix(p.RunRoot, want) {
			t.Errorf("XDG_RUNTIME_DIR=%s: the store runs in %s", dir, p.RunRoot)
		}
	}
}
