// SPDX-License-Identifier: MPL-2.0

package results

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// stage makes a directory with files and links; a content that begins with
// "-> " is a link's, "| " stands for a pipe.
func stage(t *testing.T, files map[string]string) (*Root, string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		err := error(nil)
		if to, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(to, p)
		} else if content == "| " {
			err = syscall.Mkfifo(p, 0o644)
		} else {
			err = os.WriteFile(p, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := OpenRoot(dir, "id")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, dir
}

// treeStage is the root that stage makes, as a Tree.
func treeStage(t *testing.T, files map[string]string) *Root {
	t.Helper()
	b := tree.NewBuilder(1700000000)
	for name, content := range files {
		e := tree.Entry{Path: name, Mode: tree.Regular | 0o600, Size: int64(len(content)), Content: strings.NewReader(content)}
		if to, ok := strings.CutPrefix(content, "-> "); ok {
			e = tree.Entry{Path: name, Mode: tree.Symlink | 0o777, Link: to}
		} else if content == "| " {
			e = tree.Entry{Path: name, Mode: tree.FIFO | 0o644}
		}
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	made, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return TreeRoot(made, "id", func() error { return nil })
}

// names are the artifacts as NAME=CONTENT.
func names(t *testing.T, files []File) []string {
	t.Helper()
	var out []string
	for _, f := range files {
		file, err := f.Open()
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		data, err := io.ReadAll(file)
		file.Close()
		if err != nil || int64(len(data)) != f.Size {
			t.Errorf("%s: %d bytes, said %d: %v", f.Name, len(data), f.Size, err)
		}
		out = append(out, f.Name+"="+string(data))
	}
	return out
}

// collect collects from a directory, and sees to it that a Tree of the same files
// gives the same.
func collect(t *testing.T, q Request, files map[string]string) (*Set, string) {
	t.Helper()
	r, dir := stage(t, files)
	var sets []*Set
	for _, r := range []*Root{treeStage(t, files), r} {
		q.Root = func(string) (*Root, error) { return r, nil }
		set, err := Collect(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, set)
	}
	same := func(of func(*Set) []string) {
		t.Helper()
		if diff := cmp.Diff(of(sets[0]), of(sets[1])); diff != "" {
			t.Errorf("a tree gives something else (-tree +directory):\n%s", diff)
		}
	}
	same(func(s *Set) []string { return names(t, s.Artifacts) })
	same(func(s *Set) []string { return names(t, s.Packages) })
	same(func(s *Set) []string { return texts(s.Problems) })
	same(func(s *Set) []string { return texts(s.FeedProblems) })
	return sets[1], dir
}

func texts(all []Problem) []string {
	var out []string
	for _, p := range all {
		out = append(out, p.Path+": "+p.Err.Error())
	}
	return out
}

func TestCollectDeclared(t *testing.T) {
	files := map[string]string{
		"out/a.img": "a", "out/b.img": "b", "out/sub/c.img": "c", "out/[x]": "x", "other/d": "d", "out/up": "-> /other",
		"etc/passwd": "the stage's", "out/abs.lnk": "-> /etc/passwd", "out/rel.lnk": "-> ../../../../../../etc/passwd",
		"out/loop1": "-> loop2", "out/loop2": "-> loop1", "out/gone": "-> /nowhere", "out/pipe": "| ", "out/proc": "-> /proc/self/root/etc/passwd",
		"tree/x": "1", "tree/y/z": "2", "tree/link": "-> y/z", "tree/self": "-> .", "tree/pipe": "| ", "tree/bad": "-> nothing",
		"SHA256SUMS": "no",
	}
	for _, tt := range []struct {
		name     string
		wanted   []Wanted
		want     []string
		problems []error // of paths in this order; nil is any
	}{
		{"one", []Wanted{{Path: "/out/a.img"}}, []string{"a.img=a"}, nil},
		{"renamed", []Wanted{{Path: "/out/a.img", Name: "x/y"}}, []string{"x/y=a"}, nil},
		{"several", []Wanted{{Path: "/out/*.img"}}, []string{"a.img=a", "b.img=b"}, nil},
		{"into", []Wanted{{Path: "/out/*.img", Name: "d/"}}, []string{"d/a.img=a", "d/b.img=b"}, nil},
		{"one name for two", []Wanted{{Path: "/out/*.img", Name: "d"}}, nil, []error{nil}},
		{"directories by pattern", []Wanted{{Path: "/*/sub/*"}}, []string{"c.img=c"}, nil},
		{"escaped", []Wanted{{Path: `/out/\[x\]`}}, []string{"[x]=x"}, nil},
		{"link to a directory in front", []Wanted{{Path: "/out/up/d"}}, []string{"d=d"}, nil},
		{"link to a directory in a pattern", []Wanted{{Path: "/out/u*/d"}}, nil, []error{fs.ErrNotExist}},
		{"absolute link", []Wanted{{Path: "/out/abs.lnk"}}, []string{"abs.lnk=the stage's"}, nil},
		{"link with dots", []Wanted{{Path: "/out/rel.lnk"}}, []string{"rel.lnk=the stage's"}, nil},
		{"path with dots", []Wanted{{Path: "/../../../etc/passwd"}}, []string{"passwd=the stage's"}, nil},
		{"loop", []Wanted{{Path: "/out/loop1"}}, nil, []error{ErrLoop}},
		{"dangling", []Wanted{{Path: "/out/gone"}}, nil, []error{ErrDangling}},
		{"the host's proc", []Wanted{{Path: "/out/proc"}}, nil, []error{ErrDangling}},
		{"pipe", []Wanted{{Path: "/out/pipe"}}, nil, []error{ErrKind}},
		{"nothing", []Wanted{{Path: "/out/*.ova"}}, nil, []error{fs.ErrNotExist}},
		{"tree", []Wanted{{Path: "/tree"}}, []string{"tree/link=2", "tree/x=1", "tree/y/z=2"}, []error{ErrDangling, ErrKind, errDirLink}},
		{"taken", []Wanted{{Path: "/SHA256SUMS"}}, nil, []error{nil}},
		{"twice", []Wanted{{Path: "/out/a.img"}, {Path: "/out/b.img", Name: "a.img"}}, []string{"a.img=a"}, []error{nil}},
		{"file as directory", []Wanted{{Path: "/out/a.img", Name: "n"}, {Path: "/out/b.img", Name: "n/b"}}, []string{"n=a"}, []error{nil}},
		{"directory as file", []Wanted{{Path: "/out/b.img", Name: "n/b"}, {Path: "/out/a.img", Name: "n"}}, []string{"n/b=b"}, []error{nil}},
		{"another stage", []Wanted{{Stage: "other", Path: "/out/a.img"}}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, _ := collect(t, Request{Artifacts: tt.wanted, Stage: "this", Only: true}, files)
			if diff := cmp.Diff(names(t, set.Artifacts), tt.want); diff != "" {
				t.Errorf("artifacts (-got +want):\n%s", diff)
			}
			if len(set.Problems) != len(tt.problems) {
				t.Fatalf("problems %v, want %d", set.Problems, len(tt.problems))
			}
			for i, p := range set.Problems {
				if !p.Declared || tt.problems[i] != nil && !errors.Is(p.Err, tt.problems[i]) {
					t.Errorf("problem %s: %v, want %v", p.Path, p.Err, tt.problems[i])
				}
			}
		})
	}
}

func TestCollectDeployed(t *testing.T) {
	const d = "REDO/build/tmp/deploy/"
	set, _ := collect(t, Request{Stage: "x"}, map[string]string{
		d + "images/vmware/core-image-caros-2016.ova": "ova", d + "images/vmware/core-image-caros.ova": "-> core-image-caros-2016.ova",
		d + "images/vmware/core-image-old.ova": "-> gone.ova", d + "images/vmware/README": "no", d + "images/vmware/pipe.ova": "| ",
		d + "images/lamobo-r1/zImage": "z1", d + "images/vmware/zImage": "z2", d + "images/lamobo-r1/x.sunxi-sdimg": "sd",
		d + "ipk/all/a.ipk": "a", d + "deb/b.deb": "b", d + "rpm/up": "-> ..",
	})
	want := []string{"core-image-caros.ova=ova", "lamobo-r1/zImage=z1", "vmware/zImage=z2", "x.sunxi-sdimg=sd"}
	if diff := cmp.Diff(names(t, set.Artifacts), want); diff != "" {
		t.Errorf("artifacts (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(names(t, set.Packages), []string{"deb/b.deb=b", "ipk/all/a.ipk=a"}); diff != "" {
		t.Errorf("packages (-got +want):\n%s", diff)
	}
	if p := set.Problems; len(p) != 1 || p[0].Declared || !errors.Is(p[0].Err, ErrDangling) {
		t.Errorf("problems %v, want the link to nothing", p)
	}
	if p := set.FeedProblems; len(p) != 1 || p[0].Declared || !errors.Is(p[0].Err, errDirLink) {
		t.Errorf("problems of feeds %v, want the link to a directory", p)
	}
}

func TestCollectOneFeed(t *testing.T) {
	files := map[string]string{"REDO/build/tmp/deploy/rpm/a/b.rpm": "b", "REDO/build/tmp/deploy/ipk/pipe": "| ", "feed/c": "c"}
	for _, tt := range []struct {
		feeds []Wanted
		want  []string
	}{{nil, []string{"a/b.rpm=b"}}, {[]Wanted{{Path: "/feed"}}, []string{"c=c"}}} {
		set, _ := collect(t, Request{Feeds: tt.feeds}, files)
		if diff := cmp.Diff(names(t, set.Packages), tt.want); diff != "" {
			t.Errorf("packages (-got +want):\n%s", diff)
		}
	}
}

// TestSwapped replaces a found file by others: none of them is opened for it.
func TestSwapped(t *testing.T) {
	for name, content := range map[string]string{"link to the host": "-> /etc/passwd", "pipe": "| ", "another file": "other", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			set, dir := collect(t, Request{Artifacts: []Wanted{{Path: "/a"}}}, map[string]string{"a": "x", "etc/passwd": "y"})
			p := filepath.Join(dir, "a")
			if err := os.Rename(p, p+".old"); err != nil { // so that its inode is not used again
				t.Fatal(err)
			}
			err := error(nil)
			switch {
			case strings.HasPrefix(content, "-> "):
				err = os.Symlink(content[3:], p)
			case content == "| ":
				err = syscall.Mkfifo(p, 0o600)
			case content != "":
				err = os.WriteFile(p, []byte(content), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if f, err := set.Artifacts[0].Open(); err == nil {
				f.Close()
				t.Error("it was opened")
			}
		})
	}
}

func TestLogs(t *testing.T) {
	const w = "REDO/build/tmp/"
	r, _ := stage(t, map[string]string{
		w + "log/cooker/vmware/1.log": "cooker", w + "work/a/p/1/temp/log.do_x.1": "one", w + "work/b/p/1/temp/log.do_x.1": "two",
		w + "work/a/p/1/temp/log.do_x": "-> log.do_x.1", w + "work/a/p/1/temp/run.do_x": "no", w + "work/log/x": "no", w + "work/logpipe": "| ",
	})
	cooker, err := r.CookerLogs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	packages, err := r.PackageLogs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(t, cooker), []string{"vmware/1.log=cooker"}); diff != "" {
		t.Errorf("cooker (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(names(t, packages), []string{"a/p/1/temp/log.do_x.1=one", "b/p/1/temp/log.do_x.1=two"}); diff != "" {
		t.Errorf("packages (-got +want):\n%s", diff)
	}
	var buf bytes.Buffer
	if err := WriteTarGzip(t.Context(), &buf, "package-logs", packages); err != nil {
		t.Fatal(err)
	}
	gz, err := gzip.NewReader(&buf)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for tr := tar.NewReader(gz); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.Name+"="+string(data))
	}
	if diff := cmp.Diff(got, []string{"package-logs/a/p/1/temp/log.do_x.1=one", "package-logs/b/p/1/temp/log.do_x.1=two"}); diff != "" {
		t.Errorf("archive (-got +want):\n%s", diff)
	}
}

func TestWrite(t *testing.T) {
	set, stageDir := collect(t, Request{Artifacts: []Wanted{{Path: "/*", Name: "sub/"}}}, map[string]string{
		"a": "hello", "b\\c\nd": "odd", "empty": "", "-n": "option",
	})
	// 3 MiB with data in the middle, and a hole at the end.
	sparse := filepath.Join(stageDir, "sparse")
	f, err := os.Create(sparse)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("data"), 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(64<<20), f.Close()); err != nil {
		t.Fatal(err)
	}
	n, err := set.Artifacts[0].root.stat("/sparse")
	if err != nil {
		t.Fatal(err)
	}
	items := []Item{newFile(set.Artifacts[0].root, "/sparse", "sparse", n).Item("sparse")}
	for _, a := range set.Artifacts {
		items = append(items, a.Item(a.Name))
	}
	items = append(items, Stream("s", func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, "streamed"); return err }))
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	if err := os.WriteFile(outside, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "to", "new")
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(to, "s")); err != nil { // a link is replaced, not followed
		t.Fatal(err)
	}
	for range 2 {
		if err := Write(t.Context(), to, items, 2); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(outside); string(got) != "mine" {
		t.Errorf("the file outside has %q (%v)", got, err)
	}
	st, err := os.Lstat(filepath.Join(to, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() != 64<<20 || st.Sys().(*syscall.Stat_t).Blocks*512 > 4<<20 || st.Mode() != 0o644 {
		t.Errorf("sparse: %d bytes in %d blocks, mode %v", st.Size(), st.Sys().(*syscall.Stat_t).Blocks, st.Mode())
	}
	entries, err := os.ReadDir(to)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(got, []string{"SHA256SUMS", "s", "sparse", "sub"}); diff != "" {
		t.Errorf("files (-got +want):\n%s", diff)
	}
	cmd := exec.CommandContext(t.Context(), "sha256sum", "-c", "--strict", SumsName)
	cmd.Dir = to
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != 6 {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
}

// TestWriteStaysInside has links in the target that lead out of it.
func TestWriteStaysInside(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("..", filepath.Join(dir, "up")); err != nil {
		t.Fatal(err)
	}
	text := func(name string) Item {
		return Stream(name, func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, "x"); return err })
	}
	for _, name := range []string{"up/x", "../x", "/tmp/x", "a/../../x"} {
		if err := Write(t.Context(), dir, []Item{text(name)}, 1); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), "x")); err == nil {
		t.Error("there is a file outside")
	}
}

// TestWriteKeepsOld fails in the middle of a file: what was there is untouched,
// and nothing is left.
func TestWriteKeepsOld(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := Stream("x", func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "ne")
		return errors.Join(err, io.ErrNoProgress)
	})
	if err := Write(t.Context(), dir, []Item{bad}, 1); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v, want the writer's", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left: %v %v", entries, err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "x")); string(got) != "old" {
		t.Errorf("x has %q (%v)", got, err)
	}
}
