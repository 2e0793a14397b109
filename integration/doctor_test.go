// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoctor tells a host on which everything works from some on which it does not,
// and leaves nothing.
func TestDoctor(t *testing.T) {
	w := newWorld(t)
	r := w.ok(t, program(t), "doctor")
	for _, what := range []string{"kernel", "ids", "overlay", "runtime", "arm64", "arm", "mirror", "git", "qemu-img"} {
		if !strings.Contains(r.stdout, "\nok       "+what+" ") && !strings.HasPrefix(r.stdout, "ok       "+what+" ") {
			t.Errorf("%s is not said to be well:\n%s", what, r.stdout)
		}
	}
	bin := w.file(t, "bin/runc", "#!/bin/sh\nexit 3\n")
	w.ok(t, tool(t, "chmod"), "755", bin)
	r = w.carosbuild(t, "--runtime", bin, "doctor")
	if r.status != 4 || !strings.Contains(r.stdout, "FAILED   runtime ") || !strings.Contains(r.stdout, "ok       overlay ") {
		t.Errorf("a runtime that does not work: %d\n%s", r.status, r.stdout)
	}
	r = w.carosbuild(t, "--runtime", "/none/runc", "--sandbox", "userns", "doctor")
	if r.status != 4 || !strings.Contains(r.stderr, "remedy: leave out --runtime") {
		t.Errorf("no runtime: %d\n%s%s", r.status, r.stdout, r.stderr)
	}
	w.setenv("CAROSBUILD_DEBIAN_MIRROR=http://127.0.0.1:1/debian")
	r = w.ok(t, program(t), "doctor")
	if !strings.Contains(r.stdout, "missing  mirror ") || !strings.Contains(r.stdout, "set CAROSBUILD_DEBIAN_MIRROR") {
		t.Errorf("no mirror:\n%s", r.stdout)
	}
	for _, lines := range []string{"1", "3", "12"} { // nobody reads the rest
		w.ok(t, tool(t, "sh"), "-c", `"$0" doctor | head -n "$1"`, program(t), lines)
	}
	err := filepath.WalkDir(w.dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, "carosbuild-doctor") {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Where steps would run in a virtual machine, an ordinary user's layers are tried like those of
// a build, and no kernel is fetched for the trial.
func TestDoctorMachine(t *testing.T) {
	tool(t, "qemu-system-x86_64")
	w := newWorld(t)
	w.setenv("XDG_CACHE_HOME=" + filepath.Join(w.dir, "empty"))
	r := w.ok(t, program(t), "--sandbox", "vm", "doctor")
	tried := strings.Contains(r.stdout, "\nok       runtime ") || strings.Contains(r.stdout, "\nmissing  runtime            no step was tried")
	if !strings.Contains(r.stdout, "\nok       layers             can be made") || !tried {
		t.Errorf("got\n%s", r.stdout)
	}
	if left, err := filepath.Glob(filepath.Join(w.dir, "empty/*/*/*")); len(left) > 1 || err != nil {
		t.Errorf("it has fetched %q, %v", left, err)
	}
}
