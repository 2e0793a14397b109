// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/files"
)

// hostFiles makes a directory on this machine with files of fill.
func hostFiles(t *testing.T, all ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := fill(dir, all...); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sources are files of this machine as the plan saw them.
func sources(t *testing.T, dir string, names ...string) (out []plan.Source) {
	t.Helper()
	for _, n := range names {
		p := filepath.Join(dir, n)
		digest, err := files.Digest(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, plan.Source{Name: n, Path: p, Digest: digest})
	}
	return out
}

func TestAddStep(t *testing.T) {
	dir := hostFiles(t, "f=1", "g=2", "d/x=3", "d/e/y=4", "d/link -> x")
	for name, tt := range map[string]struct {
		names []string
		a     plan.Copy
		want  []string
	}{
		"a file":                 {[]string{"f"}, plan.Copy{Dest: "/a/b"}, []string{"a/", "a/b=1", "there/", "w/"}},
		"into a directory":       {[]string{"f"}, plan.Copy{Dest: "/a/"}, []string{"a/", "a/f=1", "there/", "w/"}},
		"into one that is there": {[]string{"f"}, plan.Copy{Dest: "/there"}, []string{"there/", "there/f=1", "w/"}},
		"several":                {[]string{"f", "g"}, plan.Copy{Dest: "/a"}, []string{"a/", "a/f=1", "a/g=2", "there/", "w/"}},
		"a directory":            {[]string{"d"}, plan.Copy{Dest: "/a"}, []string{"a/", "a/e/", "a/e/y=4", "a/link -> x", "a/x=3", "there/", "w/"}},
		"relative":               {[]string{"f"}, plan.Copy{Dest: "x"}, []string{"there/", "w/", "w/x=1"}},
		"here":                   {[]string{"f"}, plan.Copy{Dest: "."}, []string{"there/", "w/", "w/f=1"}},
		"onto the root":          {[]string{"d/e"}, plan.Copy{Dest: "/"}, []string{"there/", "w/", "y=4"}},
		"none":                   {nil, plan.Copy{Dest: "/a", Optional: true}, []string{"there/", "w/"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			base := b.base("there/", "w/")
			base.Config.Config.WorkingDir = "/w"
			a := tt.a
			if a.Sources = sources(t, dir, tt.names...); a.Optional {
				a.Sources = append(a.Sources, plan.Source{Name: "none"})
			}
			b.shows(must(t)(b.execute(base, b.step("ADD", &a))), tt.want...)
		})
	}
}

// Owner and mode are the requested ones, times those of the build.
func TestAddStepAttributes(t *testing.T) {
	dir := hostFiles(t, "d/f=1", "d/s/")
	b := newBench(t)
	epoch := int64(1e9)
	add := b.step("ADD", &plan.Copy{Sources: sources(t, dir, "d"), Dest: "/a", Owner: "5:log", Mode: "4711"})
	got := must(t)(b.job(b.base(), plan.Job{ID: "s", Epoch: &epoch, Steps: []plan.Step{add}}))
	for name, want := range map[string]uint32{"a": unix.S_IFDIR | 0o755, "a/s": unix.S_IFDIR | 0o755, "a/f": unix.S_IFREG | 0o4711} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(b.snaps.LayerDir(got.Layer), name), &st); err != nil || st.Mode != want || st.Mtim.Sec != epoch {
			t.Errorf("%s: mode %o, want %o; time %d, %v", name, st.Mode, want, st.Mtim.Sec, err)
		}
	}
	owners := b.snaps.Owners()
	if slices.Sort(owners); !slices.Equal(owners, []string{". 5:7", ". 5:7", "f 5:7"}) {
		t.Errorf("owners %q", owners)
	}
}

func TestAddStepRefuses(t *testing.T) {
	dir := hostFiles(t, "f=1", "d/f=1")
	if err := unix.Mkfifo(filepath.Join(dir, "p"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		a      plan.Copy
		before func() error
		want   string
	}{
		"mode":    {plan.Copy{Sources: sources(t, dir, "f"), Mode: "9"}, nil, `mode "9" is not octal`},
		"owner":   {plan.Copy{Sources: sources(t, dir, "f"), Owner: "nobody-here"}, nil, `no user "nobody-here"`},
		"changed": {plan.Copy{Sources: sources(t, dir, "f", "d")}, func() error { return fill(dir, "d/f=2") }, "d changed while the build was running"},
		"gone":    {plan.Copy{Sources: []plan.Source{{Name: "g", Path: filepath.Join(dir, "g"), Digest: strings.Repeat("0", 64)}}}, nil, "no such file"},
		"a FIFO":  {plan.Copy{Sources: []plan.Source{{Name: "p", Path: filepath.Join(dir, "p"), Digest: strings.Repeat("0", 64)}}}, nil, "neither a file, a directory nor a link"},
		"a device": {
			plan.Copy{Sources: []plan.Source{{Name: "null", Path: os.DevNull, Digest: strings.Repeat("0", 64)}}}, nil, "a device",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if tt.before != nil {
				if err := tt.before(); err != nil {
					t.Fatal(err)
				}
			}
			tt.a.Dest = "/a/"
			_, err := b.execute(b.base(), b.step("ADD", &tt.a))
			if se := stepError(t, err); !strings.Contains(se.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// Nothing is copied once the context has ended.
func TestAddStepEnds(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	b.Snapshots = ending{b.snaps, cancel}
	j := plan.Job{ID: "s", Steps: []plan.Step{b.step("ADD", &plan.Copy{Sources: sources(t, hostFiles(t, "f=1"), "f"), Dest: "/"})}}
	_, err := b.Execute(ctx, engine.Task{Job: &j})
	var se *plan.StepError
	if !errors.Is(err, context.Canceled) || errors.As(err, &se) {
		t.Errorf("error %v", err)
	}
}

// ending is a Snapshotter that ends the context after making a snapshot.
type ending struct {
	engine.Snapshotter
	end func()
}

func (e ending) Prepare(ctx context.Context, layer string) (engine.Snapshot, error) {
	defer e.end()
	return e.Snapshotter.Prepare(ctx, layer)
}

// copyFrom copies from another stage, which has a layer.
func (b *bench) copyFrom(from string, a plan.Copy) (engine.State, error) {
	b.t.Helper()
	a.Stage = "other"
	j := plan.Job{ID: "s", Needs: []string{"other"}, Steps: []plan.Step{b.step("COPY", &a)}}
	out, err := b.Execute(b.t.Context(), engine.Task{Job: &j, State: b.base(), Dependencies: map[string]engine.State{"other": {Layer: from}}})
	return out.State, err
}

// Files of another stage are copied as they are, with modes, links and times.
func TestCopyFromStage(t *testing.T) {
	b := newBench(t)
	from := layerOf(t, b.snaps, "", func(root string) error {
		return errors.Join(fill(root, "d/one=1", "d/link -> /nowhere", "d/sub/x=2", "to -> d"), os.Link(filepath.Join(root, "d/one"), filepath.Join(root, "d/two")),
			unix.Chmod(filepath.Join(root, "d/one"), 0o4750), unix.Mkfifo(filepath.Join(root, "d/fifo"), 0o600), os.Chmod(filepath.Join(root, "d/sub"), 0o700))
	})
	all := []string{"a/", "a/fifo p---------", "a/link -> /nowhere", "a/one=1", "a/sub/", "a/sub/x=2", "a/two=1"}
	got := must(t)(b.copyFrom(from, plan.Copy{Sources: []plan.Source{{Name: "/d"}}, Dest: "/a"}))
	b.shows(got, all...)
	dir := b.snaps.LayerDir(got.Layer)
	var one, two, sub, was unix.Stat_t
	for name, st := range map[string]*unix.Stat_t{dir + "/a/one": &one, dir + "/a/two": &two, dir + "/a/sub": &sub, b.snaps.LayerDir(from) + "/d/one": &was} {
		if err := unix.Stat(name, st); err != nil {
			t.Fatal(err)
		}
	}
	if one.Ino != two.Ino || one.Mode != unix.S_IFREG|0o4750 || sub.Mode != unix.S_IFDIR|0o700 || one.Mtim != was.Mtim {
		t.Errorf("copied as %+v, %+v, %+v", one, two, sub)
	}
	b.shows(must(t)(b.copyFrom(from, plan.Copy{Sources: []plan.Source{{Name: "to/sub"}}, Dest: "/a/"})), "a/", "a/x=2")
	b.shows(must(t)(b.copyFrom(from, plan.Copy{Sources: []plan.Source{{Name: "/none"}, {Name: "d/one"}}, Dest: "/a", Optional: true})), "a=1")
	for src, want := range map[string]string{"/none": "find in stage other /none: no such file", "/d/*": "/d/*: no such file or directory; "} {
		if _, err := b.copyFrom(from, plan.Copy{Sources: []plan.Source{{Name: src}}, Dest: "/a"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := b.copyFrom(strings.Repeat("0", 64), plan.Copy{Sources: []plan.Source{{Name: "/d"}}, Dest: "/a"}); err == nil {
		t.Error("a stage whose layer is gone")
	}
}

// A damaged file of the store does not get into another layer.
func TestCopyOfDamage(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(dir string) error
		path   string // of the error; "" for none
	}{
		"none":      {func(string) error { return nil }, ""},
		"elsewhere": {func(dir string) error { return fill(dir, "other/f=x") }, ""},
		"content":   {func(dir string) error { return fill(dir, "d/f=2") }, "d/f"},
		"size":      {func(dir string) error { return fill(dir, "d/f=22") }, "d/f"},
		"mode":      {func(dir string) error { return os.Chmod(filepath.Join(dir, "d/f"), 0o600) }, "d/f"},
		"missing":   {func(dir string) error { return os.Remove(filepath.Join(dir, "d/f")) }, "d/f"},
		"added":     {func(dir string) error { return fill(dir, "d/new=1") }, "d/new"},
		"another end": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "d/l")), fill(dir, "d/l -> g"))
		}, "d/l"},
		"attributes": {func(dir string) error { return unix.Setxattr(filepath.Join(dir, "d/f"), "user.x", []byte("1"), 0) }, "d/f"},
		"no record":  {func(dir string) error { return os.Truncate(dir+".sums", 5) }, "?"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			from := b.layer("", "d/f=1", "d/l -> f", "d/empty=", "other/f=1")
			if err := tt.damage(b.snaps.LayerDir(from)); errors.Is(err, unix.ENOTSUP) {
				t.Skip("files have no attributes here")
			} else if err != nil {
				t.Fatal(err)
			}
			b.Snapshots = viewed{b.snaps, b.snaps.LayerDir(from)}
			got, err := b.copyFrom(from, plan.Copy{Sources: []plan.Source{{Name: "/d"}}, Dest: "/a"})
			damages := layer.Damages(err)
			switch {
			case tt.path == "":
				b.shows(must(t)(got, err), "a/", "a/empty=", "a/f=1", "a/l -> f")
			case tt.path == "?":
				if err == nil {
					t.Error("no error")
				}
			case len(damages) != 1 || damages[0].Path != tt.path || damages[0].Layer != from:
				t.Errorf("error %v, want one about %s", err, tt.path)
			}
		})
	}
}

// viewed is a Snapshotter that shows a layer's own directory.
type viewed struct {
	engine.Snapshotter
	dir string
}

func (v viewed) View(ctx context.Context, id string) (*engine.View, error) {
	view, err := v.Snapshotter.View(ctx, id)
	if err == nil {
		view.Root = v.dir
	}
	return view, err
}

// A stage without recorded sums is copied unchecked, with its attributes.
func TestCopyWithoutSums(t *testing.T) {
	b := newBench(t)
	from := b.layer("", "f=1")
	file := filepath.Join(b.snaps.LayerDir(from), "f")
	if err := unix.Setxattr(file, "user.x", []byte("1"), 0); err != nil {
		t.Skip("files have no attributes here: ", err)
	}
	b.Snapshots = unrecorded{viewed{b.snaps, b.snaps.LayerDir(from)}, t}
	if _, err := b.copyFrom(from, plan.Copy{Sources: []plan.Source{{Name: "/f"}}, Dest: "/a"}); err != nil {
		t.Fatal(err)
	}
}

// unrecorded has no sums, and looks at the attributes of what is committed.
type unrecorded struct {
	viewed
	t *testing.T
}

func (u unrecorded) View(ctx context.Context, id string) (*engine.View, error) {
	view, err := u.viewed.View(ctx, id)
	if err == nil {
		view.Sums = nil
	}
	return view, err
}

func (u unrecorded) Prepare(ctx context.Context, id string) (engine.Snapshot, error) {
	w, err := u.viewed.Prepare(ctx, id)
	return attributed{w, u.t}, err
}

type attributed struct {
	engine.Snapshot
	t *testing.T
}

func (a attributed) Commit(ctx context.Context, clamp *int64) (string, bool, error) {
	value := make([]byte, 10)
	if n, err := unix.Getxattr(filepath.Join(a.Root(), "a"), "user.x", value); err != nil || string(value[:n]) != "1" {
		a.t.Errorf("attribute %q, %v", value[:max(n, 0)], err)
	}
	return a.Snapshot.Commit(ctx, clamp)
}
