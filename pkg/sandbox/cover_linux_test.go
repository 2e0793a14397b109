// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fill makes files below a directory, each given as PATH=CONTENT, and directories, which end
// in a slash.
func fill(t *testing.T, dir string, files ...string) {
	t.Helper()
	for _, f := range files {
		name, content, _ := strings.Cut(f, "=")
		p := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(p, 0o755)
		} else if err == nil {
			err = os.WriteFile(p, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// listed is the inverse of fill; it lists only empty directories.
func listed(t *testing.T, dir string) []string {
	t.Helper()
	out := []string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		if d.IsDir() {
			if names, err := os.ReadDir(p); err != nil || len(names) > 0 || p == dir {
				return err
			}
			out = append(out, rel+"/")
			return nil
		}
		b, err := os.ReadFile(p)
		out = append(out, rel+"="+string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// memory is a directory on a different file system than the temporary ones.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "cover-")
	if err != nil {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatal("no second file system: ", err)
		}
		t.Skip("no second file system: ", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestCover(t *testing.T) {
	remove := func(name string) func(string) error {
		return func(root string) error { return os.RemoveAll(filepath.Join(root, name)) }
	}
	write := func(files ...string) func(root string) error {
		return func(root string) error {
			for _, f := range files {
				name, content, _ := strings.Cut(f, "=")
				p := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					return err
				}
				if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
					return err
				}
			}
			return nil
		}
	}
	all := func(steps ...func(string) error) func(string) error {
		return func(root string) error {
			for _, s := range steps {
				if err := s(root); err != nil {
					return err
				}
			}
			return nil
		}
	}
	move := func(from, to string) func(string) error {
		return func(root string) error { return os.Rename(filepath.Join(root, from), filepath.Join(root, to)) }
	}
	for _, tt := range []struct {
		name  string
		mount Mount
		step  func(root string) error
		root  []string
		host  []string
	}{
		{"nothing", Mount{}, write(), []string{"c/m/hidden=1"}, []string{"f=1", "g/h=2"}},
		{"changes", Mount{}, all(write("c/m/f=new", "c/m/n=3"), remove("c/m/g")), []string{"c/m/hidden=1"}, []string{"f=new", "n=3"}},
		{"read-only", Mount{ReadOnly: true}, all(write("c/m/f=new", "c/m/n=3"), remove("c/m/g")), []string{"c/m/hidden=1"}, []string{"f=1", "g/h=2"}},
		{"shared", Mount{Shared: true}, all(write("c/m/n=3", "c/m/g/i=4"), remove("c/m/f")), []string{"c/m/hidden=1"}, []string{"f=1", "g/h=2", "g/i=4", "n=3"}},
		{"removed", Mount{}, remove("c/m"), []string{"c/m/hidden=1"}, []string{}},
		{"removed with what it is in", Mount{}, remove("c"), []string{}, []string{}},
		{"made anew", Mount{}, all(remove("c/m"), write("c/m/n=3")), []string{"c/m/hidden=1"}, []string{"n=3"}},
		{"a file in its place", Mount{}, all(remove("c/m"), write("c/m=3")), []string{"c/m=3"}, []string{}},
		{"moved", Mount{}, all(move("c", "d"), write("d/m/n=3")), []string{"d/m/hidden=1"}, []string{"f=1", "g/h=2", "n=3"}},
		{
			"a link out of the root",
			Mount{},
			all(remove("c"), func(root string) error { return os.Symlink("../host", filepath.Join(root, "c")) }),
			[]string{"c"},
			[]string{},
		},
	} {
		for _, far := range []bool{false, true} {
			name := tt.name
			if far {
				name += ", from another file system"
			}
			t.Run(name, func(t *testing.T) {
				base := t.TempDir()
				root, host, scratch := filepath.Join(base, "root"), filepath.Join(base, "host"), filepath.Join(base, "scratch")
				if far {
					host = memory(t)
				}
				fill(t, root, "c/m/hidden=1")
				fill(t, host, "m/f=1", "m/g/h=2")
				fill(t, base, "scratch/")
				m := tt.mount
				m.Source, m.Target = filepath.Join(host, "m"), "/c/m"
				c, err := Cover(root, scratch, []Mount{m})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(listed(t, root), []string{"c/m/f=1", "c/m/g/h=2"}); diff != "" {
					t.Errorf("for the step (-got +want):\n%s", diff)
				}
				if err := tt.step(root); err != nil {
					t.Fatal(err)
				}
				if err := c.Uncover(); err != nil {
					t.Fatal(err)
				}
				if target, err := os.Readlink(filepath.Join(root, "c")); err == nil {
					if target != "../host" {
						t.Errorf("the link leads to %s", target)
					}
				} else if diff := cmp.Diff(listed(t, root), tt.root); diff != "" {
					t.Errorf("in the root (-got +want):\n%s", diff)
				}
				if diff := cmp.Diff(listed(t, filepath.Join(host, "m")), tt.host); diff != "" {
					t.Errorf("on the host (-got +want):\n%s", diff)
				}
			})
		}
	}
}

// Times of the parents of mount points are kept, and files of a shared mount are the host's
// own.
func TestCoverKeeps(t *testing.T) {
	base := t.TempDir()
	fill(t, base, "root/c/m/", "host/m/f=1", "scratch/")
	then := time.Unix(1e9, 0)
	for _, d := range []string{"root/c/m", "root/c", "host"} {
		if err := os.Chtimes(filepath.Join(base, d), then, then); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Cover(filepath.Join(base, "root"), filepath.Join(base, "scratch"), []Mount{{Source: filepath.Join(base, "host/m"), Target: "/c/m", Shared: true}})
	if err != nil {
		t.Fatal(err)
	}
	inRoot, err1 := os.Stat(filepath.Join(base, "root/c/m/f"))
	onHost, err2 := os.Stat(filepath.Join(base, "host/m/f"))
	if err1 != nil || err2 != nil || !os.SameFile(inRoot, onHost) {
		t.Errorf("the file of a shared mount is another one: %v, %v", err1, err2)
	}
	if err := c.Uncover(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"root/c/m", "root/c", "host"} {
		if st, err := os.Stat(filepath.Join(base, d)); err != nil || !st.ModTime().Equal(then) {
			t.Errorf("%s: %v, %v", d, st.ModTime(), err)
		}
	}
}

// A mount point is looked up as the step would look it up.
func TestCoverPoisonedRoot(t *testing.T) {
	base := t.TempDir()
	fill(t, base, "root/real/m/", "host/m/f=1", "scratch/", "outside/m/")
	if err := os.Symlink("/real", filepath.Join(base, "root/c")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../outside", filepath.Join(base, "root/bad")); err != nil {
		t.Fatal(err)
	}
	mount := Mount{Source: filepath.Join(base, "host/m"), Target: "/c/m"}
	c, err := Cover(filepath.Join(base, "root"), filepath.Join(base, "scratch"), []Mount{mount})
	if err != nil {
		t.Fatal(err)
	}
	if got := listed(t, filepath.Join(base, "root/real")); !slices.Equal(got, []string{"m/f=1"}) {
		t.Errorf("behind the link: %v", got)
	}
	if err := c.Uncover(); err != nil {
		t.Fatal(err)
	}
	mount.Target = "/bad/m"
	if _, err := Cover(filepath.Join(base, "root"), filepath.Join(base, "scratch"), []Mount{mount}); err == nil {
		t.Error("a mount point that the root does not have was found")
	}
	if got := listed(t, filepath.Join(base, "outside")); !slices.Equal(got, []string{"m/"}) {
		t.Errorf("outside: %v", got)
	}
}

// Of two commands in one root, the one that begins first ends first, or last.
func TestCoverTwice(t *testing.T) {
	for _, firstLast := range []bool{false, true} {
		base := t.TempDir()
		fill(t, base, "root/dev/mine=1", "one/f=1", "two/f=2", "s1/", "s2/")
		root := filepath.Join(base, "root")
		var covers []*Covered
		for i, name := range []string{"one", "two"} {
			c, err := Cover(root, filepath.Join(base, "s"+string(rune('1'+i))), []Mount{{Source: filepath.Join(base, name), Target: "/dev"}})
			if err != nil {
				t.Fatal(err)
			}
			covers = append(covers, c)
		}
		left := "dev/f=2"
		if firstLast {
			slices.Reverse(covers)
			left = "dev/f=1"
		}
		for i, want := range []string{left, "dev/mine=1"} {
			if err := covers[i].Uncover(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(listed(t, root), []string{want}); diff != "" {
				t.Errorf("after %d have ended (-got +want):\n%s", i+1, diff)
			}
		}
		for name, want := range map[string]string{"one": "f=1", "two": "f=2"} {
			if diff := cmp.Diff(listed(t, filepath.Join(base, name)), []string{want}); diff != "" {
				t.Errorf("%s (-got +want):\n%s", name, diff)
			}
		}
	}
}
