// SPDX-License-Identifier: MPL-2.0

package sealed

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/fsck"
)

type value struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// What was written is read; what is damaged or not there is not.
func TestSealed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dir", "file")
	var got value
	if ok, err := Read(file, &got); ok || err != nil {
		t.Errorf("absent: %t %v", ok, err)
	}
	want := value{"a <name>", 7}
	if err := Write(file, want); err != nil {
		t.Fatal(err)
	}
	if ok, err := Read(file, &got); !ok || err != nil || got != want {
		t.Errorf("got %+v, %t %v", got, ok, err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for _, damaged := range [][]byte{data[:i], append(append(append([]byte{}, data[:i]...), data[i]^1), data[i+1:]...)} {
			if err := os.WriteFile(file, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if ok, err := Read(file, &got); ok && got != want || err != nil {
				t.Errorf("damage at %d: %+v, %t %v", i, got, ok, err)
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// A flipped bit makes nothing that an earlier version could have written; what one has
// written is taken.
func TestReadSince(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	put := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := value{"a name", 7}
	data, err := Seal(want)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for bit := range 8 {
			damaged := append([]byte{}, data...)
			damaged[i] ^= 1 << bit
			put(damaged)
			var got value
			if ok, err := ReadSince(file, &got); ok && got != want || err != nil {
				t.Errorf("bit %d of byte %d: %+v, %t %v", bit, i, got, ok, err)
			}
		}
	}
	for text, want := range map[string]bool{`{"name":"old","count":1}`: true, `{"name":"ol`: false, ``: false, `[]`: false} {
		put([]byte(text))
		var got value
		if ok, err := ReadSince(file, &got); ok != want || err != nil {
			t.Errorf("%s: %+v, %t %v", text, got, ok, err)
		}
	}
	if ok, err := ReadSince(file+"2", &want); ok || err != nil {
		t.Errorf("absent: %t %v", ok, err)
	}
}

// Fsck finds what is damaged once, and leaves what is whole and what never had a digest.
func TestFsck(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a", "b"} {
		if err := Write(file(name), value{name, 1}); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file("b"))
	if err != nil {
		t.Fatal(err)
	}
	data[12] ^= 1
	if err := errors.Join(os.WriteFile(file("b"), data, 0o600), os.WriteFile(file("old"), []byte(`{"name":"x"}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, look := range []bool{true, false} {
		c := &fsck.Check{Look: look}
		if err := Fsck(t.Context(), c, "value", dir, "removed"); err != nil || len(c.Found) != 1 || c.Found[0].Path != file("b") || c.Counts[0].N != 3 {
			t.Errorf("%+v, %v", c, err)
		}
	}
	if left, err := filepath.Glob(file("*")); err != nil || len(left) != 2 {
		t.Errorf("left: %v, %v", left, err)
	}
}
