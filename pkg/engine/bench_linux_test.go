// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/dirtest"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
)

// bench is the executor of this machine on fakes.
type bench struct {
	*engine.Local
	t      *testing.T
	snaps  *enginetest.FakeSnapshots
	box    *enginetest.FakeSandbox
	events *notes
	steps  int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	l, ev := newLocal(t), &notes{}
	l.Events = func(e progress.Event) {
		text := fmt.Sprintf("%s %s", e.Kind, e.Text)
		if e.Total > 0 {
			text += fmt.Sprintf(" %d/%d", e.Done, e.Total)
		}
		ev.add("%s", text)
	}
	b := &bench{Local: l, t: t, snaps: l.Snapshots.(*enginetest.FakeSnapshots), box: l.Sandbox.(*enginetest.FakeSandbox), events: ev}
	t.Cleanup(func() {
		if n := b.snaps.Open(); n > 0 {
			t.Errorf("%d snapshots or views have not ended", n)
		}
	})
	return b
}

// ids are a user and a group, not the superuser's, to whom the test can give files.
func ids() (uid, gid int) {
	if uid, gid = os.Getuid(), os.Getgid(); uid == 0 {
		return 1000, 1000
	}
	return uid, gid
}

// base is a state whose layer has these files and accounts, among them "web".
func (b *bench) base(files ...string) engine.State {
	b.t.Helper()
	uid, gid := ids()
	return engine.State{Layer: b.layer("", append(files, fmt.Sprintf("etc/passwd=root:x:0:0::/root:/bin/sh\nweb:x:%d:%d::/srv:/bin/sh\n", uid, gid), "etc/group=log:x:7:web\n")...)}
}

// layer is a layer with files, "name=content", and directories, "name/".
func (b *bench) layer(below string, files ...string) string {
	b.t.Helper()
	return layerOf(b.t, b.snaps, below, func(root string) error { return fill(root, files...) })
}

// fill makes files, "name=content", directories, "name/", and links, "name -> target".
func fill(root string, files ...string) error {
	var all []error
	for _, f := range files {
		name, content, isFile := strings.Cut(f, "=")
		link, target, isLink := strings.Cut(f, " -> ")
		if isLink {
			name = link
		}
		p := filepath.Join(root, name)
		all = append(all, os.MkdirAll(filepath.Dir(p), 0o755))
		switch {
		case isLink:
			all = append(all, os.Symlink(target, p))
		case isFile:
			all = append(all, os.WriteFile(p, []byte(content), 0o644))
		default:
			all = append(all, os.MkdirAll(p, 0o755))
		}
	}
	return errors.Join(all...)
}

// step is a step with a unique key.
func (b *bench) step(kind string, a plan.Action) plan.Step {
	b.steps++
	return plan.Step{Kind: kind, Text: "text", Key: fmt.Sprintf("%016d%048d", b.steps, 0), Action: a}
}

// execute runs steps on a state.
func (b *bench) execute(s engine.State, steps ...plan.Step) (engine.State, error) {
	b.t.Helper()
	return b.job(s, plan.Job{ID: "s", Steps: steps})
}

func (b *bench) job(s engine.State, j plan.Job) (engine.State, error) {
	b.t.Helper()
	out, err := b.Execute(b.t.Context(), engine.Task{BuildID: "b1", Job: &j, State: s})
	return out.State, err
}

// must returns a state, and fails the test on an error.
func must(t *testing.T) func(s engine.State, err error) engine.State {
	return func(s engine.State, err error) engine.State {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// shows compares the files of a layer, except for the accounts of base.
func (b *bench) shows(s engine.State, want ...string) {
	b.t.Helper()
	var got []string
	if s.Layer != "" {
		for _, f := range dirtest.Listed(b.t, b.snaps.LayerDir(s.Layer)) {
			if !strings.HasPrefix(f, "etc/") {
				got = append(got, f)
			}
		}
	}
	if diff := cmp.Diff(got, want); diff != "" {
		b.t.Errorf("the layer has (-got +want):\n%s", diff)
	}
}

// stepError returns err as a plan.StepError, which it must be.
func stepError(t *testing.T, err error) *plan.StepError {
	t.Helper()
	var se *plan.StepError
	if !errors.As(err, &se) {
		t.Fatalf("error %v, want that of a step", err)
	}
	return se
}
