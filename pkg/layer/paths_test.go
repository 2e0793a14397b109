// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
		if got := RuntimeDir(env); got != want {
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

// Anybody can make a directory of the name that podman uses below /tmp.
func TestRunRootOfOthers(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	const uid = 987654 // of whom there is no /run/user
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
