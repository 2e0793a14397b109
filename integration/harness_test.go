// SPDX-License-Identifier: MPL-2.0

//go:build integration || bench

// Package integration runs the real program against the real world: a Debian
// mirror, podman, a registry, foreign checkers, and machines that boot. It
// needs an ordinary user (or root) with subordinate ids.
package integration

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is the binary under test.
func program(t *testing.T) string {
	t.Helper()
	p := os.Getenv("CAROSBUILD")
	if p == "" {
		t.Fatal("CAROSBUILD names no program: run make integration")
	}
	return p
}

// tool is the path of a foreign program; a missing one fails where all are
// required, and skips elsewhere.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		p := filepath.Join(dir, name)
		if st, err := os.Stat(p); err == nil && st.Mode()&0o111 != 0 && !st.IsDir() {
			return p
		}
	}
	missing(t, name+" is not installed: run make test")
	return ""
}

// missing skips a test, and fails it where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// world is a user's directories, empty at first: a store, caches, logs.
type world struct {
	t     testing.TB
	dir   string
	env   []string
	work  string // current folder of the commands
	graph string // directory of the store
}

// newWorld makes a world that is gone when the test ends. It lives below
// CAROSBUILD_TEST_DIR, else the temporary directory.
func newWorld(t testing.TB) *world {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("CAROSBUILD_TEST_DIR"), "carosbuild-test-")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, work: filepath.Join(dir, "work")}
	for _, d := range []string{"home", "work", "run"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.env = []string{
		"HOME=" + dir + "/home", "PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "XDG_RUNTIME_DIR=" + dir + "/run",
		"LC_ALL=C.UTF-8", "TMPDIR=" + os.TempDir(), "USER=" + os.Getenv("USER"),
	}
	for _, v := range []string{"CAROSBUILD_DEBIAN_MIRROR", "CAROSBUILD_DEBIAN_SECURITY_MIRROR", "CAROSBUILD_SANDBOX", "http_proxy", "https_proxy"} {
		if s := os.Getenv(v); s != "" {
			w.env = append(w.env, v+"="+s)
		}
	}
	// podman of Debian 12 takes the vfs driver when nothing is configured, and
	// the superuser's store is outside of HOME.
	conf := filepath.Join(dir, "home/.config/containers/storage.conf")
	text := "[storage]\ndriver = \"overlay\"\n"
	w.graph = filepath.Join(dir, "home/.local/share/containers/storage")
	if os.Getuid() == 0 {
		conf, w.graph = filepath.Join(dir, "storage.conf"), filepath.Join(dir, "graph")
		text += fmt.Sprintf("graphroot = %q\nrunroot = %q\n", w.graph, dir+"/run/containers")
		w.env = append(w.env, "CONTAINERS_STORAGE_CONF="+conf)
	}
	if err := os.MkdirAll(filepath.Dir(conf), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.remove() })
	return w
}

// remove deletes the world; files of subordinate ids need a namespace.
func (w *world) remove() {
	cmd := exec.Command("unshare", "--map-auto", "--map-root-user", "rm", "-rf", w.dir)
	if os.Getuid() == 0 {
		cmd = exec.Command("rm", "-rf", w.dir)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Errorf("remove %s: %v\n%s", w.dir, err, out)
	}
}

// result is a command that has ended.
type result struct {
	status         int
	stdout, stderr string
	took           time.Duration
}

func (w *world) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = w.work, w.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// run runs a command to its end, whatever its status.
func (w *world) run(t *testing.T, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
	defer cancel()
	return ran(t, w.command(ctx, name, args...))
}

// ran runs a command to its end, whatever its status.
func ran(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	start := time.Now()
	err := cmd.Run()
	r := result{stdout: out.String(), stderr: errs.String(), took: time.Since(start)}
	var x *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &x):
		r.status = x.ExitCode()
	default:
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	return r
}

// withBusybox puts a declaration and the busybox that it adds into a folder.
func withBusybox(t *testing.T, dir, name, declared string) {
	t.Helper()
	busybox, err := os.ReadFile(tool(t, "busybox"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{name: []byte(declared), "busybox": busybox} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// ok runs a command that must succeed and returns its output.
func (w *world) ok(t *testing.T, name string, args ...string) result {
	t.Helper()
	r := w.run(t, name, args...)
	if r.status != 0 {
		t.Fatalf("%s %s: exit status %d\n%s%s", filepath.Base(name), strings.Join(args, " "), r.status, tailOf(r.stdout), tailOf(r.stderr))
	}
	return r
}

func tailOf(s string) string {
	const most = 6000
	if len(s) > most {
		return "[...]" + s[len(s)-most:]
	}
	return s
}

// carosbuild runs the program under test.
func (w *world) carosbuild(t *testing.T, args ...string) result {
	t.Helper()
	return w.run(t, program(t), args...)
}

// build runs the program under test, which must succeed, and returns which
// steps it executed, as STAGE and the number of the step.
func (w *world) build(t *testing.T, args ...string) (result, []string) {
	t.Helper()
	r := w.ok(t, program(t), append([]string{"--progress=plain"}, args...)...)
	return r, executed(r.stderr)
}

// executed are the steps that plain progress reports as run to their end.
func executed(progress string) []string {
	var out []string
	for line := range strings.SplitSeq(progress, "\n") {
		_, line, _ = strings.Cut(line, " ") // the time of the day
		stage, rest, ok := strings.Cut(strings.TrimPrefix(line, "["), "] ")
		if step, _, done := strings.Cut(rest, " done in "); ok && done && strings.Contains(step, "/") && strings.HasPrefix(line, "[") {
			out = append(out, stage+" "+step)
		}
	}
	return out
}

// file writes a file into the work folder.
func (w *world) file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(w.work, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// read is a file of the work folder.
func (w *world) read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.work, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// setenv sets a variable for the commands of this world.
func (w *world) setenv(kv string) { w.env = append(w.env, kv) }

// base is a stage with busybox and nothing else: no network is needed.
func base(t *testing.T) string {
	t.Helper()
	return `<buildstage id="base"><action>FROM scratch</action><action>ADD ` + tool(t, "busybox") +
		` /bin/busybox</action><action>RUN ["/bin/busybox", "--install", "-s", "/bin"]</action></buildstage>`
}

// serve starts the server and returns its address, and what ends it.
func (w *world) serve(t *testing.T, args ...string) (url string, stop func()) {
	t.Helper()
	cmd := w.command(t.Context(), program(t), append([]string{"serve"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("serve: %v\n%s", err, errs.String())
	}
	return strings.TrimSuffix(strings.TrimSpace(line), "/"), func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil || errs.Len() > 0 {
			t.Errorf("serve ended with %v\n%s", err, errs.String())
		}
	}
}
