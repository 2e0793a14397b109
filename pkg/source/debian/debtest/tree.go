// SPDX-License-Identifier: MPL-2.0

package debtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// List describes everything below root: the mode and content of a file, the target of
// a link.
func List(t testing.TB, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, p)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			out[name] = info.Mode().String()
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			out[name] = "-> " + target
			return err
		default:
			data, err := os.ReadFile(p)
			out[name] = fmt.Sprintf("%s %s", info.Mode(), data)
			return err
		}
		return nil
	}))
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
