// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// localProject is a project in the repository of its own base layer.
func localProject(t *testing.T) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	for _, sub := range []string{".git", "meta/conf"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file = filepath.Join(dir, "p.yml")
	for name, text := range map[string]string{
		file:                                    "header: {version: 14, includes: [more.yml]}\nmachine: m\ntarget: t\nrepos: {poky: {layers: {meta: }}}\n",
		filepath.Join(dir, "more.yml"):          "header: {version: 14}\n",
		filepath.Join(dir, "oe-init-build-env"): "",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, file
}

// TestDeclareAgain: declaring a project does not change it.
func TestDeclareAgain(t *testing.T) {
	dir, file := localProject(t)
	p, _, fs := Read([]string{file}, Options{WorkDir: dir})
	if fs.HasErrors() {
		t.Fatal(fs)
	}
	first, some := p.Declare(Form{Dir: dir})
	second, more := p.Declare(Form{Dir: dir})
	if diff := cmp.Diff(string(first.XML), string(second.XML)); diff != "" {
		t.Errorf("declarations (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(some, more); diff != "" || len(some) == 0 {
		t.Errorf("findings (-first +second):\n%s", diff)
	}
}

// TestReadCloses: no directory stays open.
func TestReadCloses(t *testing.T) {
	dir, file := localProject(t)
	open := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(all)
	}
	before := open()
	for range 10 {
		if _, _, fs := Read([]string{file}, Options{WorkDir: dir}); fs.HasErrors() {
			t.Fatal(fs)
		}
	}
	if after := open(); after >= before+10 {
		t.Errorf("%d files are open, %d before", after, before)
	}
}
