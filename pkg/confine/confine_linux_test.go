// SPDX-License-Identifier: MPL-2.0

package confine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// scene makes a folder with links out of it, a private one beside it, and a name of the
// folder that is a link.
func scene(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	for _, dir := range []string{"own/sub", "private", "more"} {
		if err := os.MkdirAll(at(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"own/f": "own", "own/sub/f": "sub", "private/f": "PRIVATE", "more/f": "more"} {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"own/out": "../private", "own/abs": at("private/f"), "own/gone": at("private/none"), "own/chain": "hop", "own/hop": "sub/../../private/f",
		"own/in": "sub", "own/absin": at("own/sub/f"), "own/dangling": "none", "own/loop": "loop", "own/proc": "/proc/self/environ",
		"own/root": "/proc/self/root/etc/passwd", "own/more": "../more", "alias": "own",
	} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

func TestCheck(t *testing.T) {
	top := scene(t)
	r, err := New([]string{filepath.Join(top, "alias"), filepath.Join(top, "more/f"), filepath.Join(top, "not-there")})
	if err != nil {
		t.Fatal(err)
	}
	const outside, inside, missing = "outside", "inside", "missing"
	for path, want := range map[string]string{
		"alias/f": inside, "own/f": inside, "alias": inside, "alias/sub": inside, "alias/in/f": inside, "alias/absin": inside, "more/f": inside,
		"alias/none": missing, "alias/dangling": missing, "alias/f/x": missing, "not-there/x": missing,
		"private/f": outside, "private/none": outside, "alias/../private/f": outside, "more": outside, "more/g": outside, "ownership": outside, "": outside,
		"alias/out/f": outside, "alias/out/none": outside, "alias/abs": outside, "alias/gone": outside, "alias/chain": outside, "alias/loop": outside,
		"alias/proc": outside, "alias/root": outside, "alias/more/f": inside, "alias/more": outside,
	} {
		err := r.Check(filepath.Join(top, path))
		_, refused := Is(err)
		got := inside
		switch {
		case refused:
			got = outside
		case err != nil:
			got = missing
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", path, got, err, want)
		}
	}
	for _, path := range []string{"/etc/shadow", "/proc/self/environ", "/", "f\x00"} {
		if _, refused := Is(r.Check(path)); !refused {
			t.Errorf("%q is allowed", path)
		}
	}
	if err := (*Roots)(nil).Check("/etc/shadow"); err != nil {
		t.Errorf("without roots: %v", err)
	}
	if err := r.Check(filepath.Join(top, "alias/none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// What was opened stays what it is when a link takes its place.
func TestOpenSwapped(t *testing.T) {
	top := scene(t)
	r, err := New([]string{filepath.Join(top, "own")})
	if err != nil {
		t.Fatal(err)
	}
	name, done, err := r.Open(filepath.Join(top, "own/sub/f"))
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if err := errors.Join(os.RemoveAll(filepath.Join(top, "own/sub")), os.Symlink(filepath.Join(top, "private"), filepath.Join(top, "own/sub"))); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(name); err != nil || string(data) != "sub" {
		t.Errorf("read %q, %v", data, err)
	}
	if _, refused := Is(r.Check(filepath.Join(top, "own/sub/f"))); !refused {
		t.Error("the link is followed")
	}
}

// FuzzCheck: whatever a path is, nothing outside is opened.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"f", "out/f", "../private/f", "sub/../../private/f", "/etc/passwd", "in//f", "chain", "loop/..", "\x00", "root/../f"} {
		f.Add(seed)
	}
	top := ""
	f.Fuzz(func(t *testing.T, path string) {
		if top == "" {
			top = scene(t)
		}
		if _, err := os.Stat(top); err != nil {
			top = scene(t)
		}
		r, err := New([]string{filepath.Join(top, "own")})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{path, filepath.Join(top, "own", path), top + "/own/" + path} {
			name, done, err := r.Open(p)
			if err != nil {
				continue
			}
			real, err := os.Readlink(name)
			done()
			if root := filepath.Join(top, "own"); err != nil || real != root && real[:min(len(real), len(root)+1)] != root+"/" {
				t.Errorf("%q gives %s, %v", p, real, err)
			}
		}
	})
}
