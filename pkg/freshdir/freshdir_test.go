// SPDX-License-Identifier: MPL-2.0

package freshdir

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestMake(t *testing.T) {
	parent := t.TempDir()
	file := func(tmp string) error { return os.WriteFile(filepath.Join(tmp, "f"), []byte("x"), 0o600) }
	broken := errors.New("broken")
	fail := func(tmp string) error { return errors.Join(file(tmp), broken) }
	names := func() (out string) {
		entries, err := os.ReadDir(parent)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			out += e.Name() + " "
		}
		return out
	}
	if err := Make(parent+"/a", fail); !errors.Is(err, broken) || names() != "" {
		t.Errorf("failed: got %v and %q", err, names())
	}
	if err := Make(parent+"/a/", file); err != nil || names() != "a " {
		t.Errorf("new: got %v and %q", err, names())
	}
	if err := os.Mkdir(parent+"/b", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Make(parent+"/b", file); err != nil || names() != "a b " {
		t.Errorf("empty: got %v and %q", err, names())
	}
	called := false
	if err := Make(parent+"/a", func(string) error { called = true; return nil }); err == nil || called || names() != "a b " {
		t.Errorf("full: got %v and %q, called %v", err, names(), called)
	}
	if err := Make(parent+"/c", func(string) error { return os.Mkdir(parent+"/c", 0o700) }); err != nil {
		t.Errorf("an empty one has come meanwhile: %v", err)
	}
	meanwhile := func(string) error { return errors.Join(os.Mkdir(parent+"/d", 0o700), file(parent+"/d")) }
	if err := Make(parent+"/d", meanwhile); err == nil || names() != "a b c d " {
		t.Errorf("a full one has come meanwhile: got %v and %q", err, names())
	}
	if err := Make(parent+"/a/f", file); err == nil {
		t.Error("a file: got no error")
	}
}

// A directory that there is stays the same one: the working directory, and what a link leads
// to. It is empty again after a failure.
func TestMakeIn(t *testing.T) {
	parent := t.TempDir()
	t.Chdir(parent)
	if err := errors.Join(os.Mkdir("d", 0o700), os.Symlink("d", "link")); err != nil {
		t.Fatal(err)
	}
	file := func(tmp string) error {
		return errors.Join(os.WriteFile(filepath.Join(tmp, "f"), nil, 0o600), os.Mkdir(filepath.Join(tmp, "g"), 0o700))
	}
	names := func() (out string) {
		entries, err := os.ReadDir(filepath.Join(parent, "d"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			out += e.Name() + " "
		}
		return out
	}
	before, err := os.Stat("d")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("d")
	broken := errors.New("broken")
	if err := Make(".", func(tmp string) error { return errors.Join(file(tmp), broken) }); !errors.Is(err, broken) || names() != "" {
		t.Errorf("failed: got %v and %q", err, names())
	}
	for _, dir := range []string{".", "../link", filepath.Join(parent, "link", "")} {
		if err := Make(dir, file); err != nil || names() != "f g " {
			t.Errorf("%s: got %v and %q", dir, err, names())
		}
		if after, err := os.Stat("."); err != nil || !os.SameFile(before, after) || after.Mode() != before.Mode() {
			t.Errorf("%s: it is another directory, %v", dir, err)
		}
		if err := errors.Join(os.Remove("f"), os.Remove("g")); err != nil {
			t.Fatal(err)
		}
	}
	meanwhile := func(tmp string) error { return errors.Join(file(tmp), os.WriteFile("other", nil, 0o600)) }
	if err := Make(".", meanwhile); err == nil || names() != "other " {
		t.Errorf("something has come meanwhile: got %v and %q", err, names())
	}
}
