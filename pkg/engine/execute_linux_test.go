// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
)

// A command has the environment of the image and the stage, and what was put into its
// root for it is not in the layer.
func TestRunStep(t *testing.T) {
	b := newBench(t)
	b.Resolver = []byte("nameserver 127.0.0.1\n")
	base := b.base("srv/")
	base.Config = oci.NewConfig("amd64")
	base.Config.Architecture = "" // this machine's
	base.Config.SetEnv("LC_ALL", "de_DE")
	base.Config.Config.User, base.Config.Config.WorkingDir = "web", "/srv"
	b.box.Program = func(_ context.Context, s sandbox.Command) (int, error) {
		for name, want := range map[string]string{"etc/resolv.conf": "nameserver 127.0.0.1\n", "var/cache/x": "", "proc": ""} {
			data, err := os.ReadFile(filepath.Join(s.Root, name))
			if string(data) != want || errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s has %q, %v", name, data, err)
			}
		}
		fmt.Fprint(s.Stdout, "one\ntwo\n")
		return 0, fill(s.Root, "srv/made=1")
	}
	epoch := int64(1e9)
	cache := plan.Cache{Path: "/var/cache/x"}
	run := b.step("RUN", &plan.Run{Args: []string{"/bin/prog", "arg"}})
	got := must(t)(b.job(base, plan.Job{ID: "s", Epoch: &epoch, Network: "none", Caches: []plan.Cache{cache}, Steps: []plan.Step{run}}))
	b.shows(got, "srv/", "srv/made=1")
	if _, err := os.Stat(filepath.Join(b.snaps.LayerDir(got.Layer), "etc/resolv.conf")); err == nil {
		t.Error("the resolver's file is in the layer")
	}
	uid, gid := ids()
	s := b.box.Steps()[0]
	want := sandbox.Command{
		ID: fmt.Sprintf("%016d-%d", 1, os.Getpid()), Root: s.Root, Args: []string{"/bin/prog", "arg"}, Cwd: "/srv", UID: uint32(uid), GID: uint32(gid), Groups: []uint32{7},
		Env: []string{
			"DEBIAN_FRONTEND=noninteractive", "HOME=/srv", "LC_ALL=de_DE", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"SOURCE_DATE_EPOCH=1000000000",
		},
		Mounts: []sandbox.Mount{{Source: s.Mounts[0].Source, Target: "/var/cache/x"}}, Network: sandbox.NoNetwork, Stdout: s.Stdout, Stderr: s.Stderr,
	}
	if diff := cmp.Diff(fmt.Sprintf("%+v", s), fmt.Sprintf("%+v", want)); diff != "" {
		t.Errorf("the command (-got +want):\n%s", diff)
	}
	if st, err := os.Stat(s.Mounts[0].Source); err != nil || !strings.HasPrefix(s.Mounts[0].Source, b.CacheDir) || !st.IsDir() {
		t.Errorf("the cache is %v, %v", s.Mounts[0].Source, err)
	}
	h := got.Config.History
	if len(h) != 1 || h[0].CreatedBy != "RUN text" || h[0].EmptyLayer || !h[0].Created.Equal(time.Unix(epoch, 0)) {
		t.Errorf("history %+v", h)
	}
	b.events.want(t, "step-started RUN text", "step-output one", "step-output two", "step-done RUN text")
	log, err := os.ReadFile(b.LogPath("s"))
	if err != nil || string(log) != "==> RUN text\none\ntwo\n" {
		t.Errorf("the log has %q, %v", log, err)
	}
}

// Steps that only change the configuration make no layer.
func TestSettings(t *testing.T) {
	b := newBench(t)
	base := b.base()
	base.Config.SetEnv("B", "image")
	env := &plan.Env{Variables: []plan.Variable{
		{Name: "A", Value: "$B-${HOME}", Expand: true}, {Name: "B", Value: "new"}, {Name: "C", Value: "$B", Expand: true}, {Name: "D", Value: "$B"},
	}}
	got := must(t)(b.execute(base, b.step("ENV", env), b.step("USER", &plan.User{Name: "web"}), b.step("ENV", &plan.Env{Variables: []plan.Variable{{Name: "E", Value: "$C$B", Expand: true}}})))
	if diff := cmp.Diff(got.Config.Config.Env, []string{"B=new", "A=image-/root", "C=image", "D=$B", "E=imagenew"}); diff != "" {
		t.Errorf("environment (-got +want):\n%s", diff)
	}
	if got.Config.Config.User != "web" || got.Layer != base.Layer || len(got.Config.History) != 3 || !got.Config.History[0].EmptyLayer {
		t.Errorf("state %+v", got)
	}
}

// WORKDIR makes its directory, relative to the previous one.
func TestWorkdirStep(t *testing.T) {
	b := newBench(t)
	got := must(t)(b.execute(b.base("link -> there"), b.step("WORKDIR", &plan.Workdir{Dir: "/a/b"}), b.step("WORKDIR", &plan.Workdir{Dir: "../c"}),
		b.step("WORKDIR", &plan.Workdir{Dir: "/link/d"}), b.step("WORKDIR", &plan.Workdir{Dir: "."})))
	b.shows(got, "a/", "a/b/", "a/c/", "link -> there", "there/", "there/d/")
	if got.Config.Config.WorkingDir != "/link/d" || !got.Config.History[3].EmptyLayer || got.Config.History[0].EmptyLayer {
		t.Errorf("directory %q, history %+v", got.Config.Config.WorkingDir, got.Config.History)
	}
	_, err := b.execute(b.base("file=x"), b.step("WORKDIR", &plan.Workdir{Dir: "/file/x"}))
	if se := stepError(t, err); !strings.Contains(se.Error(), "/file/x") {
		t.Error(err)
	}
}

// puller is a Puller with one image.
type puller struct{ state engine.State }

func (p puller) Pull(_ context.Context, ref, arch string, events func(oci.Event)) (engine.State, error) {
	if ref != "x@sha256:aa" || arch != "arm64" {
		return engine.State{}, fmt.Errorf("no image %s of %s", ref, arch)
	}
	for _, e := range []oci.Event{{Text: "another mirror"}, {Digest: "1", Done: 1, Total: 10}, {Digest: "2", Done: 5, Total: 5}, {Digest: "1", Done: 10, Total: 10}, {Digest: "3"}} {
		events(e)
	}
	return p.state, nil
}

func TestFromStep(t *testing.T) {
	b := newBench(t)
	want := b.base("image=1")
	want.Config.SetEnv("A", "image")
	b.Images = puller{want}
	got := must(t)(b.execute(engine.State{}, b.step("FROM", &plan.From{Image: "x", Pinned: "x@sha256:aa", Arch: "arm64"})))
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("state (-got +want):\n%s", diff)
	}
	b.events.want(t, "step-started FROM text", "note another mirror", "progress pull x 1/10", "progress pull x 6/15", "progress pull x 15/15", "step-done FROM text")
	_, err := b.execute(engine.State{}, b.step("FROM", &plan.From{Image: "y", Pinned: "y@sha256:bb", Arch: "arm64"}))
	if se := stepError(t, err); se.Err == nil || se.Status != 0 || !strings.Contains(se.Error(), "no image y@sha256:bb") {
		t.Errorf("error %#v", se)
	}
}

// A command that fails is reported with its last lines, its log and, if wanted, an image
// of the failed stage.
func TestFailingCommand(t *testing.T) {
	b := newBench(t)
	b.box.Program = func(_ context.Context, s sandbox.Command) (int, error) {
		fmt.Fprint(s.Stderr, "why\nnot")
		return 7, fill(s.Root, "half=1")
	}
	var kept engine.State
	b.Failed = func(_ context.Context, stage string, s engine.State) (string, error) {
		kept = s
		return "b1:" + stage, nil
	}
	run := b.step("RUN", &plan.Run{Args: []string{"x"}})
	run.Span.Line = 3
	_, err := b.execute(b.base(), run)
	got := stepError(t, err)
	want := &plan.StepError{Stage: "s", Step: 1, Span: run.Span, Kind: "RUN", Text: "text", Status: 7, Tail: []string{"why", "not"}, Log: b.LogPath("s"), Image: "b1:s"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("error (-got +want):\n%s", diff)
	}
	b.shows(kept, "half=1")
	if len(kept.Config.History) != 1 || kept.Config.History[0].EmptyLayer {
		t.Errorf("history %+v", kept.Config.History)
	}
	if _, ok, _ := b.Cache.Lookup(t.Context(), run.Key); ok {
		t.Error("the step counts as done")
	}
	b.Failed = func(context.Context, string, engine.State) (string, error) { return "", errors.New("no space") }
	if _, err = b.execute(b.base(), run); stepError(t, err).Status != 7 || !strings.Contains(err.Error(), "keep the failed stage: no space") {
		t.Errorf("error %v", err)
	}
	b.Failed = nil
	if _, err = b.execute(b.base(), run); stepError(t, err).Image != "" {
		t.Errorf("error %#v", err)
	}
}

// Any error in a step is a step error, and leaves nothing behind.
func TestStepsThatCannotRun(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		change func(b *bench, s *engine.State)
		want   string
	}{
		"the sandbox": {func(b *bench, _ *engine.State) {
			b.box.Program = func(context.Context, sandbox.Command) (int, error) { return 0, broken }
		}, "broken"},
		"an architecture": {func(_ *bench, s *engine.State) { s.Config.Architecture = "none" }, "no emulator for none"},
		"a user":          {func(_ *bench, s *engine.State) { s.Config.Config.User = "nobody-here" }, `no user "nobody-here"`},
		"a layer":         {func(_ *bench, s *engine.State) { s.Layer = strings.Repeat("0", 64) }, "no such file"},
		"a cache":         {func(b *bench, _ *engine.State) { _ = os.WriteFile(filepath.Join(b.CacheDir, "caches"), nil, 0o600) }, "cache /c"},
		"a root":          {func(b *bench, s *engine.State) { s.Layer = b.layer("", "proc=1") }, "mount point /proc"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			s := b.base()
			tt.change(b, &s)
			_, err := b.job(s, plan.Job{ID: "s", Caches: []plan.Cache{{Path: "/c"}}, Steps: []plan.Step{b.step("RUN", &plan.Run{Args: []string{"x"}})}})
			if se := stepError(t, err); se.Err == nil || se.Status != 0 || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// brokenCache is a cache whose Put fails.
type brokenCache struct{ enginetest.FakeCache }

func (*brokenCache) Put(context.Context, string, engine.State) error { return errors.New("no space") }

// An error that is not a step's fault names the stage.
func TestExecuteErrors(t *testing.T) {
	run := func(b *bench) error {
		_, err := b.execute(b.base(), b.step("USER", &plan.User{Name: "web"}))
		return err
	}
	for name, change := range map[string]func(b *bench){
		"log":   func(b *bench) { b.LogPath = func(string) string { return filepath.Join(os.DevNull, "log") } },
		"locks": func(b *bench) { _ = os.WriteFile(filepath.Join(b.CacheDir, "locks"), nil, 0o600) },
		"cache": func(b *bench) { b.Cache = &brokenCache{} },
	} {
		b := newBench(t)
		change(b)
		var se *plan.StepError
		if err := run(b); err == nil || errors.As(err, &se) || !strings.HasPrefix(err.Error(), "stage s: ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
