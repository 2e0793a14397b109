// SPDX-License-Identifier: MPL-2.0

package git

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFS follows links inside a commit, and none that lead out of it.
func TestFS(t *testing.T) {
	o := newOrigin(t)
	o.commit("dir/file.yml", "content\n")
	for name, target := range map[string]string{
		"link.yml": "dir/file.yml", "dir/up": "..", "alias": "dir", "out.yml": "../other/file.yml",
		"abs.yml": "/etc/passwd", "loop": "loop", "nowhere": "dir/none",
	} {
		must(t, os.Symlink(target, filepath.Join(o.work, name)))
	}
	id := o.commitAll("links")
	o.push()
	c := newCache(t)
	pin := Pinned{URL: o.bare, Commit: id}
	must(t, c.Ensure(t.Context(), []Pinned{pin}))
	files, err := c.FS(t.Context(), pin, 100)
	must(t, err)
	for name, want := range map[string]string{
		"dir/file.yml": "content", "link.yml": "content", "alias/file.yml": "content", "alias/up/dir/up/link.yml": "content",
		"out.yml": "!out of the repository", "abs.yml": "!out of the repository", "loop": "!too many links",
		"nowhere": "!does not exist", "none": "!does not exist", "dir": "!does not exist", "../x": "!invalid",
	} {
		data, err := fs.ReadFile(files, name)
		if wrong, bad := strings.CutPrefix(want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%s: got %v, want %s", name, err, wrong)
			}
		} else if err != nil || string(data) != want+"\n" {
			t.Errorf("%s: got %q, %v", name, data, err)
		}
	}
	if st, err := fs.Stat(files, "link.yml"); err != nil || !st.Mode().IsRegular() || st.Size() != 8 {
		t.Errorf("link.yml: %v, %v", st, err)
	}
}
