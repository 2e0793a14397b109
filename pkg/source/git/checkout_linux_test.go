// SPDX-License-Identifier: MPL-2.0

package git

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCheckout(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) { testCheckout(t, variedOrigin(t, "--object-format="+format)) })
	}
}

func testCheckout(t *testing.T, o *origin) {
	epoch := int64(1300000000)
	for name, opt := range map[string]CheckoutOptions{
		"plain":  {RemoteName: "remote-1", Branch: "branch-1"},
		"epoch":  {RemoteName: "remote-1", Branch: "branch-1", Epoch: &epoch},
		"detach": {},
	} {
		t.Run(name, func(t *testing.T) {
			p, dir := get(t, newCache(t), o.bare, "main", opt)
			when := int64(1400000000)
			if opt.Epoch != nil {
				when = epoch
			}
			for _, line := range listTree(t, dir) {
				if !strings.Contains(line, fmt.Sprintf(" %d", when*1e9)) && !strings.HasPrefix(line, ".git/index") {
					t.Errorf("%s: want the time %d", line, when)
				}
			}
			in := func(args ...string) string { return o.run(dir, "git", args...) }
			if got := in("rev-parse", "HEAD"); got != p.Commit {
				t.Errorf("HEAD is %s, want %s", got, p.Commit)
			}
			if got := in("status", "--porcelain", "--ignored"); got != "" {
				t.Errorf("status: %s", got)
			}
			in("fsck", "--strict", "--full", "--no-dangling")
			if got := in("describe"); !strings.HasPrefix(got, "v1-2-g") {
				t.Errorf("describe: %s", got)
			}
			if got := in("log", "--format=%s"); got != "kinds\nchange dir/sub/file\nchange README" {
				t.Errorf("log: %s", got)
			}
			if got := in("tag"); got != "light\nv1" {
				t.Errorf("tags: %s", got)
			}
			if got := in("count-objects", "-v"); !strings.Contains(got, "garbage: 0") || strings.Contains(got, "alternate") {
				t.Errorf("objects: %s", got)
			}
			out := o.git("rev-parse", "other:secret")
			if all := in("cat-file", "--batch-all-objects", "--batch-check"); strings.Contains(all, out) {
				t.Errorf("an object of another branch came along")
			}
			if opt.Branch != "" {
				if got := in("remote", "-v"); !strings.HasPrefix(got, opt.RemoteName+"\t"+o.bare) {
					t.Errorf("remote: %s", got)
				}
				if got := in("branch", "--show-current"); got != opt.Branch {
					t.Errorf("branch: %s, want %s", got, opt.Branch)
				}
			}
		})
	}
}

func TestCheckoutNeedsEmptyDirectory(t *testing.T) {
	o := newOrigin(t)
	c := newCache(t)
	p, dir := get(t, c, o.bare, "main", CheckoutOptions{})
	if err := c.Checkout(t.Context(), p, dir, CheckoutOptions{}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got %v, want that the directory is not empty", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "README")); err != nil {
		t.Errorf("what was there is gone: %v", err)
	}
	lost := Pinned{URL: o.bare, Commit: strings.Repeat("ab", 20)}
	empty := t.TempDir()
	if err := c.Checkout(t.Context(), lost, empty, CheckoutOptions{}); err == nil || !strings.Contains(err.Error(), "not in the cache") {
		t.Errorf("got %v, want that the commit is not there", err)
	}
	for _, bad := range []CheckoutOptions{{Branch: "-x"}, {Branch: "../x"}, {Branch: "a..b"}, {Branch: "a\nb"}, {RemoteName: "a b"}, {RemoteName: "x]"}, {RemoteName: "../x"}} {
		if err := c.Checkout(t.Context(), p, empty, bad); bad.RemoteName != "x]" && err == nil {
			t.Errorf("%+v: want an error", bad)
			must(t, clearDir(empty))
		}
		must(t, clearDir(empty))
	}
}

// TestReproducible: the result is the same with another cache, filled in another
// way, another umask, another time and another directory.
func TestReproducible(t *testing.T) {
	o := variedOrigin(t)
	for i := range 30 {
		o.commit(fmt.Sprintf("dir/n%d", i%7), strings.Repeat(fmt.Sprintln("line", i), 50+i))
	}
	half := o.git("rev-parse", "HEAD~12")
	o.git("branch", "half", half)
	o.push()
	epoch := int64(1500000000)
	opt := CheckoutOptions{RemoteName: "r", Branch: "b", Epoch: &epoch}
	_, a := get(t, newCache(t), "file://"+o.bare, "main", opt)

	second := newCache(t) // fetches half of the history first, so that its packs differ
	o.run(o.bare, "git", "update-ref", "-d", "refs/heads/main")
	get(t, second, "file://"+o.bare, "half", CheckoutOptions{})
	o.run(o.bare, "git", "repack", "-q", "-a", "-d", "-f", "--window=0")
	o.push()
	defer syscall.Umask(syscall.Umask(0o077))
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	_, b := get(t, second, "file://"+o.bare, "main", opt)
	if diff := cmp.Diff(listTree(t, a), listTree(t, b)); diff != "" {
		t.Errorf("-first +second\n%s", diff)
	}
}

func TestFilesAndLog(t *testing.T) {
	o := variedOrigin(t)
	c := newCache(t)
	p, dir := get(t, c, o.bare, "main", CheckoutOptions{})
	got, err := c.Files(t.Context(), p)
	must(t, err)
	var want []string
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); err == nil && !d.IsDir() && !strings.HasPrefix(rel, ".git/") {
			want = append(want, rel)
		}
		return err
	}))
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files: -want +got\n%s", diff)
	}
	from, err := c.Resolve(t.Context(), Tree{o.bare, "v1"})
	must(t, err)
	log, err := c.Log(t.Context(), o.bare, from.Commit, p.Commit)
	must(t, err)
	at := time.Unix(1400000000, 0).UTC()
	if diff := cmp.Diff([]LogEntry{{p.Commit, at, "kinds"}, {o.git("rev-parse", "main~1"), at, "change dir/sub/file"}}, log); diff != "" {
		t.Errorf("log: -want +got\n%s", diff)
	}
	if log, err := c.Log(t.Context(), o.bare, p.Commit, p.Commit); err != nil || log != nil {
		t.Errorf("log of nothing: %v, %v", log, err)
	}
}

// TestOtherUsers: in a stage, git is run by the owner of the tree and by other
// users. The status is clean for all, also after a layer has kept only the metadata
// that layers keep.
func TestOtherUsers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs the superuser, to become others")
	}
	o := variedOrigin(t)
	_, dir := get(t, newCache(t), o.bare, "main", CheckoutOptions{})
	for p := filepath.Dir(dir); p != "/" && p != os.TempDir(); p = filepath.Dir(p) {
		must(t, os.Chmod(p, 0o755))
	}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, 1234, 1234) // the ctime changes, too
	}))
	for _, uid := range []uint32{0, 1234, 4321} {
		cmd := exec.CommandContext(t.Context(), "git", "-c", "safe.directory=*", "status", "--porcelain")
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("user %d: %s%v", uid, out, err)
		}
	}
}

// TestStatusReadsNothing: git relies on the index, and does not compare the
// contents of all files.
func TestStatusReadsNothing(t *testing.T) {
	o := variedOrigin(t)
	_, dir := get(t, newCache(t), o.bare, "main", CheckoutOptions{})
	file := filepath.Join(dir, "dir/sub/file")
	st, err := os.Stat(file)
	must(t, err)
	text, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, []byte(strings.ToUpper(string(text))), 0o644))
	must(t, os.Chtimes(file, st.ModTime(), st.ModTime()))
	if got := o.run(dir, "git", "status", "--porcelain"); got != "" {
		t.Errorf("status: %s: git looked into a file that has the size and time of the index", got)
	}
	must(t, os.WriteFile(file, []byte("other\n"), 0o644))
	if got := o.run(dir, "git", "status", "--porcelain"); got != "M dir/sub/file" {
		t.Errorf("status of a changed file: %q", got)
	}
}
