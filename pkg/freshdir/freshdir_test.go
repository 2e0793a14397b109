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
