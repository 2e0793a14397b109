// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/dirtest"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// plant makes files, directories (names that end in a slash) and links ("name
// -> target") in a directory.
func plant(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, n := range names {
		name, target, link := strings.Cut(n, " -> ")
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case link:
			err = os.Symlink(target, path)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		default:
			err = os.WriteFile(path, []byte(filepath.Base(dir)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestMoveOver: new files replace old ones, whatever their kind, and no link is
// followed.
func TestMoveOver(t *testing.T) {
	top := t.TempDir()
	src, dst, other := filepath.Join(top, "new"), filepath.Join(top, "old"), filepath.Join(top, "other")
	plant(t, src, "file", "dir/a", "dir/sub/b", "link/c", "wasdir", "wasfile/d", "sym -> x")
	plant(t, dst, "file", "dir/a", "dir/mine", "link -> "+other, "wasdir/e", "wasfile", "sym/f", "keep")
	plant(t, other, "untouched")
	if err := moveOver(src, dst, unchowned{}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"dir/", "dir/a=new", "dir/mine=old", "dir/sub/", "dir/sub/b=new", "file=new", "keep=old", "link/", "link/c=new", "sym -> x",
		"wasdir=new", "wasfile/", "wasfile/d=new",
	}
	if diff := cmp.Diff(dirtest.Listed(t, dst), want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(dirtest.Listed(t, other), []string{"untouched=other"}); diff != "" {
		t.Errorf("what a link leads to (-got +want):\n%s", diff)
	}
}

// TestRemoveAny: removeAny never leaves the directory, and accepts a missing file.
func TestRemoveAny(t *testing.T) {
	top := t.TempDir()
	dir, other := filepath.Join(top, "dir"), filepath.Join(top, "other")
	plant(t, dir, "file", "link -> ../other", "abs -> "+other, "full/x", "sym -> nowhere")
	plant(t, other, "precious")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"file", "gone", "gone/deeper", "file/below", "link/precious", "abs/precious", "../other/precious", "full", "sym"} {
		if err := removeAny(root, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(dirtest.Listed(t, dir), []string{"abs -> " + other, "full/", "full/x=dir", "link -> ../other"}); diff != "" {
		t.Errorf("what is left (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(dirtest.Listed(t, other), []string{"precious=other"}); diff != "" {
		t.Errorf("beside it (-got +want):\n%s", diff)
	}
}

// TestRealDir: realDir stays inside the root, whatever links are in the way.
func TestRealDir(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "REDO -> /../../x", "x/")
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	got, err := realDir(root, "/REDO/source/poky")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "x/source/poky"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestHeadOf: only a small file with a commit id counts, and nothing outside the root is
// read.
func TestHeadOf(t *testing.T) {
	const id = "1234567890123456789012345678901234567890"
	outside := filepath.Join(t.TempDir(), "ref")
	if err := os.WriteFile(outside, []byte(id), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		head, ref string
		want      string
	}{
		"detached":  {head: id + "\n", want: id},
		"branch":    {head: "ref: refs/heads/x\n", ref: id + "\n", want: id},
		"no branch": {head: "ref: refs/heads/x\n"},
		"no id":     {head: "ref: refs/heads/x\n", ref: "--output=x\n"},
		"very long": {head: strings.Repeat(" ", 2000) + id},
		"outside":   {head: "ref: ../../../../../../../.." + outside},
		"directory": {head: "ref: refs"},
		"none":      {},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			plant(t, dir, "tree/.git/refs/heads/")
			for file, text := range map[string]string{"HEAD": tt.head, "refs/heads/x": tt.ref} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, "tree/.git", file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := headOf(opened(t, dir), "/tree"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestAbsentTrees: a tree is present if its label says so and it has a .git.
func TestAbsentTrees(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "same/.git/", "other/.git/", "unlabeled/.git/", "removed/")
	r := &jobRun{}
	r.state.Config.Config.Labels = map[string]string{treeLabel + "/same": "1 u", treeLabel + "/other": "2 u", treeLabel + "/removed": "1 u", treeLabel + "/gone": "1 u"}
	trees := &plan.Reposync{}
	for _, p := range []string{"/same", "/other", "/unlabeled", "/removed", "/gone"} {
		trees.Trees, trees.From = append(trees.Trees, plan.GitTree{Path: p, Commit: "1"}), append(trees.From, git.Pinned{})
	}
	absent, err := r.absentTrees(dir, trees)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range absent {
		got = append(got, a.Path)
	}
	if diff := cmp.Diff(got, []string{"/other", "/unlabeled", "/removed", "/gone"}); diff != "" {
		t.Errorf("absent (-got +want):\n%s", diff)
	}
}

// opened is a directory's descriptor.
func opened(t *testing.T, dir string) int {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}
