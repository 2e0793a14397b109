// SPDX-License-Identifier: MPL-2.0

package snapshot

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/layer/archive"
	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/userns/usernstest"
)

func TestMain(m *testing.M) {
	usernstest.Settle()
	os.Exit(m.Run())
}

func TestPlaces(t *testing.T) {
	if !usernstest.Again(t, userns.Ranges) {
		return
	}
	dir := t.TempDir()
	mount := func(name, kind, data string, flags uintptr) string {
		t.Helper()
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(at, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(kind, at, kind, flags, data); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		return at
	}
	memory := filepath.Join(dir, "memory")
	if err := os.Mkdir(memory, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := userns.MountMemory(memory, 1<<20); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(memory, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	noexec := mount("noexec", "tmpfs", "", unix.MS_NOEXEC)
	var lower []string
	for _, d := range []string{"l1", "l2", "l3"} {
		lower = append(lower, filepath.Join(dir, d))
		if err := os.Mkdir(lower[len(lower)-1], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	overlay := mount("overlay", "overlay", "lowerdir="+lower[0]+",upperdir="+lower[1]+",workdir="+lower[2], 0)
	sys := filepath.Join(dir, "file")
	if err := os.WriteFile(sys, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, dir string
		known     bool // known to be bad without trying
		want      Kind // "" for none
	}{
		{"a directory", dir, false, Overlay},
		{"memory", memory, false, Overlay},
		{"noexec", noexec, true, ""},
		{"below noexec, not there yet", filepath.Join(noexec, "a", "b"), true, ""},
		{"overlay", overlay, false, Copy},
		{"a file", sys, false, ""},
	} {
		var place *PlaceError
		if err := CheckPlace(tt.dir); errors.As(err, &place) != tt.known || err != nil && !tt.known {
			t.Errorf("%s, looked at: %v", tt.name, err)
		}
		got, why, err := Choose(tt.dir, Kinds())
		if got != tt.want || errors.As(err, &place) != (tt.want == "") || (tt.want == Copy) != (len(why) == 1) {
			t.Errorf("%s, tried: %q, %v, %v, want %q", tt.name, got, why, err, tt.want)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".carosbuild-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// Attributes that copies leave in the store can be read by all: by the superuser, who could
// set others, and by those who share the store with fewer capabilities.
func TestPrefix(t *testing.T) {
	if got, err := Prefix(Copy); got != archive.UserOverlay || err != nil {
		t.Errorf("copies: %q, %v", got, err)
	}
	want := archive.UserOverlay
	if user, err := inUserNamespace(); err == nil && !user && hasAdmin() {
		want = archive.TrustedOverlay
	}
	if got, err := Prefix(Overlay); got != want || err != nil {
		t.Errorf("overlays: %q, %v, want %q", got, err, want)
	}
}
