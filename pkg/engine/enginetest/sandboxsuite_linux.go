// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/engine"
)

// Box is a sandbox for TestSandbox.
type Box struct {
	engine.Sandbox
	// Root has /bin/sh and, next to it or in the PATH of this process, cat, env, id, mkdir, pwd, sleep and wget.
	Root string
	// Isolated says that commands run in Root, with the user, mounts and network of their
	// step: in all sandboxes but a fake.
	Isolated bool
	// Shared says that commands have no namespaces of their own: what they write to a
	// read-only mount is lost instead of refused, and there is no /proc that shows their
	// network.
	Shared bool
	// Apart says that commands run in machines of their own: starting one takes seconds, its
	// changes to root and mounts appear once it has ended, two commands in one root do not
	// see each other, and the host's network is reached through another.
	Apart bool
}

// TestSandbox fails unless the sandboxes that open returns do what engine.Sandbox
// promises.
func TestSandbox(t *testing.T, open func(t *testing.T) Box) {
	for name, test := range map[string]func(t *testing.T, b Box){
		"status":              boxStatus,
		"environment":         boxEnvironment,
		"working directory":   boxDirectory,
		"streams":             boxStreams,
		"changes stay":        boxChanges,
		"left behind":         boxLeftBehind,
		"killed with context": boxKilled,
		"ended context":       boxEnded,
		"side by side":        boxSideBySide,
		"emulation":           boxEmulation,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
	for name, test := range map[string]func(t *testing.T, b Box){
		"user":    boxUser,
		"mounts":  boxMounts,
		"network": boxNetwork,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			if !b.Isolated {
				t.Skip("the sandbox says that it is not isolated")
			}
			test(t, b)
		})
	}
}

// step is a shell script as a step of its own.
func (b Box) step(t *testing.T, script string) sandbox.Command {
	id := strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())
	return sandbox.Command{
		ID: id, Root: b.Root, Args: []string{"/bin/sh", "-c", script}, Cwd: "/", Network: sandbox.NoNetwork,
		Env: []string{"HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
	}
}

// run runs a step and returns its exit status and its output.
func (b Box) run(t *testing.T, s sandbox.Command) (int, string) {
	t.Helper()
	var out bytes.Buffer
	s.Stdout, s.Stderr = &out, &out
	status, err := b.Run(t.Context(), s)
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return status, out.String()
}

func boxStatus(t *testing.T, b Box) {
	for script, want := range map[string]int{
		"true": 0, "exit 7": 7, "exit 255": 255,
		"sh -c 'kill -9 $$'; exit $?":                             137, // from the shell: the first process of a namespace is spared
		"sh -c 'kill -15 $$'; exit $?":                            143,
		"./none-such":                                             127,
		"echo x > no-program; chmod 644 no-program; ./no-program": 126,
	} {
		if status, out := b.run(t, b.step(t, script)); status != want {
			t.Errorf("%s: status %d, want %d: %s", script, status, want, out)
		}
	}
	s := b.step(t, "")
	s.Args = []string{"/none-such/program"}
	if status, err := b.Run(t.Context(), s); err == nil {
		t.Errorf("a program that does not exist: status %d", status)
	}
}

func boxEnvironment(t *testing.T, b Box) {
	if len(os.Environ()) == 0 {
		t.Fatal("this process has no environment that a command could get")
	}
	s := b.step(t, "env")
	s.Env = append(s.Env, "A=b c", "EMPTY=", "TERM=of the step")
	_, out := b.run(t, s)
	got := slices.DeleteFunc(strings.Split(strings.TrimSpace(out), "\n"), func(kv string) bool { // the shell's own
		return strings.HasPrefix(kv, "PWD=") || strings.HasPrefix(kv, "OLDPWD=") || strings.HasPrefix(kv, "SHLVL=") || strings.HasPrefix(kv, "_=")
	})
	slices.Sort(got)
	slices.Sort(s.Env)
	if diff := cmp.Diff(got, s.Env); diff != "" {
		t.Errorf("environment (-got +want):\n%s", diff)
	}
}

func boxDirectory(t *testing.T, b Box) {
	if err := os.MkdirAll(filepath.Join(b.Root, "some/dir"), 0o777); err != nil {
		t.Fatal(err)
	}
	s := b.step(t, "pwd; echo x > here")
	s.Cwd = "/some/dir"
	_, out := b.run(t, s)
	if _, err := os.Stat(filepath.Join(b.Root, "some/dir/here")); err != nil || !strings.HasSuffix(strings.TrimSpace(out), "/some/dir") {
		t.Errorf("%v; the command is in %s", err, out)
	}
}

func boxStreams(t *testing.T, b Box) {
	var out, err bytes.Buffer
	s := b.step(t, "cat; echo to stderr >&2")
	s.Stdin, s.Stdout, s.Stderr = strings.NewReader("from stdin"), &out, &err
	if status, e := b.Run(t.Context(), s); status != 0 || e != nil || out.String() != "from stdin" || err.String() != "to stderr\n" {
		t.Errorf("status %d, %v, printed %q and %q", status, e, out.String(), err.String())
	}
	if status, e := b.Run(t.Context(), b.step(t, "cat; echo x; echo y >&2")); status != 0 || e != nil {
		t.Errorf("without streams: status %d, %v", status, e)
	}
}

// boxChanges: the caller uses the root before and after the command.
func boxChanges(t *testing.T, b Box) {
	if err := os.WriteFile(filepath.Join(b.Root, "given"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, out := b.run(t, b.step(t, "cat given; echo 2 > made"))
	data, err := os.ReadFile(filepath.Join(b.Root, "made"))
	if out != "1" || err != nil || string(data) != "2\n" {
		t.Errorf("printed %q, made %q, %v", out, data, err)
	}
}

// ticking is a script that keeps writing in the background: for long enough, but not
// for ever if nothing ends it.
const ticking = "(i=0; while [ $i -lt 200 ]; do echo x >> ticks; sleep 0.05; i=$((i+1)); done) "

// still fails if a file of the root grows.
func (b Box) still(t *testing.T) {
	t.Helper()
	size := func() int64 {
		st, err := os.Stat(filepath.Join(b.Root, "ticks"))
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	before := size()
	time.Sleep(200 * time.Millisecond)
	if now := size(); now != before {
		t.Errorf("a process of the step still runs: %d bytes, %d a moment later", before, now)
	}
}

// boxLeftBehind: Run waits for the command, not for processes that have its output open.
func boxLeftBehind(t *testing.T, b Box) {
	start := time.Now()
	status, out := b.run(t, b.step(t, ticking+"& while ! [ -s ticks ]; do sleep 0.02; done; echo end; exit 3"))
	if status != 3 || out != "end\n" || !b.Apart && time.Since(start) > 4*time.Second {
		t.Errorf("status %d after %v: %q", status, time.Since(start), out)
	}
	b.still(t)
}

func boxKilled(t *testing.T, b Box) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := b.step(t, "trap '' TERM INT HUP; "+ticking+"& while ! [ -s ticks ]; do sleep 0.02; done; echo ticking; sleep 60")
	end := ender{cancel: cancel}
	s.Stdout = &end
	status, err := b.Run(ctx, s)
	if end.at.IsZero() || !errors.Is(err, context.Canceled) || time.Since(end.at) > 15*time.Second {
		t.Errorf("status %d, %v, %v after it was to end", status, err, time.Since(end.at))
	}
	if !b.Apart {
		b.still(t)
	}
}

// ender ends a context when something is written to it.
type ender struct {
	cancel func()
	at     time.Time // when it ended the context
}

func (e *ender) Write(p []byte) (int, error) {
	if e.at.IsZero() {
		e.at = time.Now()
		e.cancel()
	}
	return len(p), nil
}

func boxEnded(t *testing.T, b Box) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if status, err := b.Run(ctx, b.step(t, "echo x > made")); !errors.Is(err, context.Canceled) {
		t.Errorf("status %d, %v", status, err)
	}
	if _, err := os.Stat(filepath.Join(b.Root, "made")); err == nil {
		t.Error("the command ran though the context has ended")
	}
}

// boxSideBySide: each of the two commands waits for the other.
func boxSideBySide(t *testing.T, b Box) {
	if b.Apart {
		t.Skip("the sandbox says that commands do not see each other")
	}
	var wg sync.WaitGroup
	for i, script := range []string{"echo x > one; while ! [ -s two ]; do sleep 0.02; done", "echo x > two; while ! [ -s one ]; do sleep 0.02; done"} {
		wg.Go(func() {
			s := b.step(t, script)
			s.ID += "-" + string(rune('a'+i))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if status, err := b.Run(ctx, s); status != 0 || err != nil {
				t.Errorf("%s: status %d, %v", script, status, err)
			}
		})
	}
	wg.Wait()
}

func boxEmulation(t *testing.T, b Box) {
	for range 2 {
		for arch, there := range map[string]bool{"": true, runtime.GOARCH: true, "no-such-arch": false} {
			if err := b.Emulate(t.Context(), arch); (err == nil) != there {
				t.Errorf("architecture %q: %v", arch, err)
			}
			s := b.step(t, "true")
			s.Arch = arch
			if status, err := b.Run(t.Context(), s); (err == nil) != there || status != 0 {
				t.Errorf("a command of architecture %q: status %d, %v", arch, status, err)
			}
		}
	}
}
