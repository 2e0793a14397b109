// SPDX-License-Identifier: MPL-2.0

package freshfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entries are the names in a directory.
func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// A file that is being written has no name, so that a kill leaves nothing. It gets one in
// place of another file, or none after an error.
func TestNoNameUntilWhole(t *testing.T) {
	failed := errors.New("failed")
	for name, end := range map[string]func(f *os.File, path string, err error) error{
		"Finish": func(f *os.File, path string, err error) error { return Finish(f, path, 0o640, err) },
		"Rename": func(f *os.File, path string, err error) error { return Rename(f, path, true, err) },
		"copied": func(f *os.File, path string, err error) error {
			if err != nil {
				return errors.Join(err, Discard(f))
			}
			return errors.Join(copyTo(f, path), Discard(f))
		},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		for i, content := range []string{"first", "second", "third"} {
			f, err := Create(dir, ".new-")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(content); err != nil {
				t.Fatal(err)
			}
			if got := entries(t, dir); len(got) != min(i, 1) {
				t.Errorf("%s: while it is written there are %q", name, got)
			}
			if i == 2 {
				if err := end(f, path, failed); !errors.Is(err, failed) {
					t.Errorf("%s: got %v", name, err)
				}
				content = "second"
			} else if err := end(f, path, nil); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != content {
				t.Errorf("%s: got %q, %v, want %q", name, got, err, content)
			}
			if diff := cmp.Diff([]string{"file"}, entries(t, dir)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// Replace and Write replace, and leave nothing.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for i, content := range []string{"1", "22", "3"} {
		err := Replace(path, []byte(content), 0o640)
		if i == 1 {
			err = Write(path, []byte(content), true)
		}
		got, rerr := os.ReadFile(path)
		if err != nil || rerr != nil || string(got) != content {
			t.Errorf("got %q, %v, %v", got, err, rerr)
		}
	}
	if st, err := os.Stat(path); err != nil || st.Mode() != 0o640 {
		t.Errorf("%v %v", st, err)
	}
	if err := Replace(filepath.Join(dir, "none/file"), nil, 0o600); err == nil {
		t.Error("a directory that is not there was written to")
	}
	if diff := cmp.Diff([]string{"file"}, entries(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
