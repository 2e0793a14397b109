// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/failure"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// around is the environment of a command, without the command itself.
func around(s sandbox.Command) string {
	return fmt.Sprintf("environment %q\ndirectory %s\nuser %d:%d %v\nmounts %+v\nnetwork %s\narchitecture %s", s.Env, s.Cwd, s.UID, s.GID, s.Groups, s.Mounts, s.Network, s.Arch)
}

// A shell has the environment of its step.
func TestShellIsInTheWorldOfItsStep(t *testing.T) {
	epoch := int64(1e9)
	for name, tt := range map[string]struct {
		step func(b *bench) plan.Step
		job  plan.Job
	}{
		"RUN": {
			func(b *bench) plan.Step { return b.step("RUN", &plan.Run{Args: []string{"x"}}) },
			plan.Job{Epoch: &epoch, Network: "none", Caches: []plan.Cache{{Path: "/c", ID: "x"}}},
		},
		"RUN on a bootstrap": {
			func(b *bench) plan.Step { return b.step("RUN", &plan.Run{Args: []string{"x"}}) },
			plan.Job{Apt: &plan.Apt{Bootstrap: debian.Bootstrap{Suite: "bookworm", Mirror: "file://" + t.TempDir(), SecurityMirror: "none"}}},
		},
		"RUN on a bootstrap of a server": {
			func(b *bench) plan.Step { return b.step("RUN", &plan.Run{Args: []string{"x"}}) },
			plan.Job{Apt: &plan.Apt{Bootstrap: debian.Bootstrap{Suite: "bookworm", Packages: []string{"x"}, Mirror: "http://deb.example.org/debian"}, Without: []string{"bookworm-updates"}}},
		},
		"bitbake": {
			func(b *bench) plan.Step {
				return b.step("BITBAKE", &plan.Bitbake{Conf: conf(), Targets: []string{"x"}, User: "web"})
			},
			plan.Job{GitLayers: true, Caches: []plan.Cache{{Path: "/c"}}, Apt: &plan.Apt{Bootstrap: debian.Bootstrap{Suite: "bookworm"}}},
		},
		"bootstrap": {
			func(b *bench) plan.Step { return b.bootstrap(mirror(t)) },
			plan.Job{Network: "host", Caches: []plan.Cache{{Path: "/c"}}, GitLayers: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			var failed engine.State
			b.Failed = func(_ context.Context, _ string, s engine.State) (string, error) {
				failed = s
				return "", nil
			}
			b.box.Program = func(_ context.Context, s sandbox.Command) (int, error) {
				_, err := fmt.Fprint(s.Stdout, "went\nwrong")
				return 1, err
			}
			base := b.base("REDO/source/x=1", "srv/")
			base.Config.SetEnv("A", "image")
			base.Config.Config.User, base.Config.Config.WorkingDir = "web", "/srv"
			tt.job.ID, tt.job.Steps = "s", []plan.Step{tt.step(b)}
			tt.job.Steps[0].Span.Line = 3
			_, err := b.job(base, tt.job)
			if se := stepError(t, err); se.Status != 1 {
				t.Fatal(err)
			}
			b.box.Program = nil
			status, err := b.Shell(t.Context(), engine.Shell{Job: &tt.job, State: failed, Args: []string{"sh"}})
			if status != 0 || err != nil {
				t.Fatalf("status %d, %v", status, err)
			}
			steps := b.box.Steps()
			if diff := cmp.Diff(around(steps[1]), around(steps[0])); diff != "" || len(steps) != 2 {
				t.Errorf("%d commands (-shell +step):\n%s", len(steps), diff)
			}
			checkElsewhere(t, b, failed, steps[0], tt.job)
		})
	}
}

// checkElsewhere opens a shell in a failed step as a machine does that has its image only.
func checkElsewhere(t *testing.T, b *bench, failed engine.State, step sandbox.Command, job plan.Job) {
	t.Helper()
	rec, ok, err := failure.Read(&failed.Config)
	if err != nil || !ok {
		t.Fatalf("the image says %v, %v", ok, err)
	}
	if rec.Stage != "s" || rec.Build != "b1" || rec.Step != 1 || rec.Steps != 1 || rec.Status != 1 || rec.Text != job.Steps[0].Text || rec.Line != 3 || rec.Log != "went\nwrong" {
		t.Errorf("it says %+v", rec)
	}
	if job.Apt != nil && strings.HasPrefix(job.Apt.Bootstrap.Mirror, "file:") {
		return // a mirror that only this machine has
	}
	if _, err := b.Shell(t.Context(), engine.Shell{BuildID: rec.Build, Job: rec.Job(), State: failed, Args: []string{"sh"}}); err != nil {
		t.Fatal(err)
	}
	steps := b.box.Steps()
	if diff := cmp.Diff(around(steps[len(steps)-1]), around(step)); diff != "" {
		t.Errorf("of the image (-shell +step):\n%s", diff)
	}
}

// What a shell is given beside that, and what becomes of its changes.
func TestShell(t *testing.T) {
	b := newBench(t)
	var out bytes.Buffer
	b.box.Program = func(_ context.Context, s sandbox.Command) (int, error) {
		fmt.Fprint(s.Stdout, "hello")
		return 5, fill(s.Root, "new=1")
	}
	base := b.base("f=1")
	job := &plan.Job{ID: "s", Steps: []plan.Step{b.step("USER", &plan.User{Name: "web"})}}
	in := strings.NewReader("")
	status, err := b.Shell(t.Context(), engine.Shell{
		Job: job, Step: 1, State: base, Args: []string{"sh"}, Env: []string{"TERM=x"}, Network: "none", Terminal: true, Stdin: in, Stdout: &out, Stderr: &out,
	})
	if status != 5 || err != nil || out.String() != "hello" {
		t.Errorf("status %d, %v, printed %q", status, err, out.String())
	}
	s := b.box.Steps()[0]
	if s.Network != sandbox.NoNetwork || !s.Terminal || s.Stdin != in || s.Cwd != "/" || s.Env[len(s.Env)-1] != "TERM=x" {
		t.Errorf("the command is %+v", s)
	}
	b.shows(base, "f=1")
	var kept []engine.State
	keep := func(_ context.Context, s engine.State) error { kept = append(kept, s); return nil }
	for _, program := range []func(context.Context, sandbox.Command) (int, error){b.box.Program, nil} { // the second one changes nothing
		b.box.Program = program
		if _, err := b.Shell(t.Context(), engine.Shell{Job: job, State: base, Keep: keep, Stdout: &out}); err != nil {
			t.Fatal(err)
		}
	}
	if len(kept) != 1 || len(kept[0].Config.History) != 1 || len(base.Config.History) != 0 {
		t.Fatalf("kept %+v", kept)
	}
	b.shows(kept[0], "f=1", "new=1")
	b.box.Program = func(context.Context, sandbox.Command) (int, error) { return 0, errors.New("broken") }
	if _, err = b.Shell(t.Context(), engine.Shell{Job: job, State: base}); err == nil || err.Error() != "broken" {
		t.Errorf("error %v", err)
	}
	base.Config.Config.User = "nobody-here"
	if _, err = b.Shell(t.Context(), engine.Shell{Job: job, State: base}); err == nil || !strings.Contains(err.Error(), "nobody-here") {
		t.Errorf("error %v", err)
	}
	if _, err = b.Shell(t.Context(), engine.Shell{Job: job, State: engine.State{Layer: strings.Repeat("0", 64)}}); err == nil {
		t.Error("a shell in a layer that is gone")
	}
}
