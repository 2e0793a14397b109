// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/plan"
)

// held takes a lock as another process would; release releases it.
func (b *bench) held(name string) (release func()) {
	b.t.Helper()
	file := filepath.Join(b.CacheDir, "locks", name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		b.t.Fatal(err)
	}
	f, err := os.Create(file)
	if err == nil {
		_, err = f.WriteString("build two (process 7)")
	}
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return func() {
		os.Remove(file)
		f.Close()
	}
}

// waited waits for an event that contains a text.
func (b *bench) waited(text string) {
	for !slices.ContainsFunc(b.events.all(), func(e string) bool { return strings.Contains(e, text) }) && b.t.Context().Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
}

// If another process executes a step, a build waits for it, says so once, and uses the
// result.
func TestStepOfAnotherProcess(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	run := b.step("RUN", &plan.Run{Args: []string{"x"}})
	release := b.held(run.Key)
	want := engine.State{Layer: b.layer("", "theirs=1")}
	go func() {
		b.waited("is already running in")
		if err := b.Cache.Put(context.Background(), run.Key, want); err != nil {
			t.Error(err)
		}
		release()
	}()
	out, err := b.Execute(t.Context(), engine.Task{Job: &plan.Job{ID: "s", Steps: []plan.Step{run}}, State: b.base()})
	if err != nil || out.Ran != 0 || out.State.Layer != want.Layer || len(b.box.Steps()) > 0 {
		t.Errorf("%+v, %v", out, err)
	}
	b.events.want(t, "note step 1/1 (key "+run.Key[:min(len(run.Key), 12)]+") is already running in build two (process 7): waiting for its result", "step-cached RUN text")
}

// If that process ends without a result, the step is executed here.
func TestStepOfAnotherProcessThatFails(t *testing.T) {
	b := newBench(t)
	run := b.step("RUN", &plan.Run{Args: []string{"x"}})
	release := b.held(run.Key)
	time.AfterFunc(50*time.Millisecond, release)
	out, err := b.Execute(t.Context(), engine.Task{Job: &plan.Job{ID: "s", Steps: []plan.Step{run}}, State: b.base()})
	if err != nil || out.Ran != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	if names, err := os.ReadDir(filepath.Join(b.CacheDir, "locks")); err != nil || len(names) > 0 {
		t.Errorf("locks that are left: %v, %v", names, err)
	}
}

// Waiting for a lock ends with the context.
func TestWaitingEnds(t *testing.T) {
	b := newBench(t)
	run := b.step("RUN", &plan.Run{Args: []string{"x"}})
	defer b.held(run.Key)()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := b.Execute(ctx, engine.Task{Job: &plan.Job{ID: "s", Steps: []plan.Step{run}}, State: b.base()})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "stage s: ") {
		t.Errorf("error %v", err)
	}
}

// Two steps use a cache one after the other, unless it may be shared. It belongs to the
// user, and the next step finds what was written.
func TestCachesOfSteps(t *testing.T) {
	for _, shared := range []bool{false, true} {
		b := newBench(t)
		var mu sync.Mutex
		now, most := 0, 0
		both := make(chan struct{})
		b.box.Program = func(_ context.Context, s sandbox.Command) (int, error) {
			mu.Lock()
			now++
			if most = max(most, now); now == 2 {
				close(both)
			}
			mu.Unlock()
			wait := 30 * time.Millisecond
			if shared {
				wait = 10 * time.Second // at most: for the other
			}
			select {
			case <-both:
			case <-time.After(wait):
			}
			mu.Lock()
			now--
			mu.Unlock()
			var st unix.Stat_t
			if err := unix.Stat(s.Mounts[0].Source, &st); err != nil || st.Uid != s.UID || s.UID == 0 {
				t.Errorf("the cache belongs to %d, and the command to %d, %v", st.Uid, s.UID, err)
			}
			return 0, fill(s.Mounts[0].Source, s.ID+"=1")
		}
		base := b.base()
		base.Config.Config.User = "web"
		var wg sync.WaitGroup
		for _, path := range []string{"/a", "/b"} {
			j := plan.Job{ID: "s" + path[1:], Caches: []plan.Cache{{Path: path, ID: "one", Shared: shared}}, Steps: []plan.Step{b.step("RUN", &plan.Run{Args: []string{"x"}})}}
			wg.Go(func() {
				if got, err := b.job(base, j); err != nil || got.Layer != base.Layer {
					t.Errorf("%v: what is in a cache is in the layer: %v", err, got.Layer != base.Layer)
				}
			})
		}
		wg.Wait()
		steps := b.box.Steps()
		names, err := os.ReadDir(steps[0].Mounts[0].Source)
		if err != nil || len(names) != 2 || steps[0].Mounts[0].Source != steps[1].Mounts[0].Source {
			t.Errorf("the cache has %v, %v", names, err)
		}
		if want := map[bool]int{false: 1, true: 2}[shared]; most != want {
			t.Errorf("shared %v: %d steps at a time, want %d", shared, most, want)
		}
	}
}

// A step that waits for a cache ends with the context, and releases its other caches.
func TestWaitingForACache(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.box.Program = func(ctx context.Context, _ sandbox.Command) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	task := func(stage string) engine.Task {
		return engine.Task{State: b.base(), Job: &plan.Job{
			ID: stage, Caches: []plan.Cache{{Path: "/a"}, {Path: "/b"}, {Path: "/a"}}, Steps: []plan.Step{b.step("RUN", &plan.Run{Args: []string{"x"}})},
		}}
	}
	tasks := []engine.Task{task("one"), task("two")}
	go func() {
		b.waited("a cache of the stage is in use by another stage of this build: waiting for it")
		cancel()
	}()
	var wg sync.WaitGroup
	for _, task := range tasks {
		wg.Go(func() {
			if _, err := b.Execute(ctx, task); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
	}
	wg.Wait()
}
