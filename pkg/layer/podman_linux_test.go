// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/userns"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/remedy"
)

// dirVar names the directory that a test inside the namespace shares with the one outside.
const dirVar = "CAROSBUILD_TEST_DIR"

// inside runs a test in a namespace, with a shared directory.
func inside(t *testing.T, test, dir string) {
	t.Helper()
	a := userns.Account{UID: os.Getuid(), GID: os.Getgid()}
	if u, err := user.Current(); err == nil {
		a.Name = u.Username
	}
	var out strings.Builder
	status, err := userns.Enter(t.Context(), userns.Entry{
		Account: a, Args: []string{os.Args[0], "-test.v", "-test.run=^" + test + "$"},
		Env: append(innerEnv(t), dirVar+"="+dir), Stdout: &out, Stderr: &out,
	})
	if remedy.Is(err) {
		missing(t, "a user namespace: "+err.Error())
	}
	if err != nil || status != 0 {
		t.Fatalf("inside the namespace: %v, status %d\n%s", err, status, out.String())
	}
	t.Log(out.String())
}

// removeInside removes a store, which has files of subordinate ids.
func removeInside(t *testing.T, dir string) {
	t.Cleanup(func() {
		a := userns.Account{UID: os.Getuid(), GID: os.Getgid()}
		if u, err := user.Current(); err == nil {
			a.Name = u.Username
		}
		status, err := userns.Enter(context.Background(), userns.Entry{
			Account: a, Args: []string{os.Args[0], "-test.run=^TestInnerRemove$"},
			Env: append(os.Environ(), dirVar+"="+dir),
		})
		if err != nil || status != 0 {
			t.Errorf("remove %s: %v, status %d", dir, err, status)
		}
	})
}

// innerDir is the shared directory for a test that another test runs inside, "" if it was
// not run that way.
func innerDir(t *testing.T) string {
	t.Helper()
	if !userns.Inside(os.Getenv) {
		return ""
	}
	return os.Getenv(dirVar)
}

func TestInnerRemove(t *testing.T) {
	dir := innerDir(t)
	if dir == "" {
		return
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if err := removeAll(filepath.Join(dir, n.Name())); err != nil {
			t.Error(err)
		}
	}
}

// run runs a command and returns its output.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// capNetRaw is security.capability with cap_net_raw=ep, struct vfs_cap_data
// of version 2.
const capNetRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// buildSample makes an image of three layers, with owners, modes, a hard link, a
// capability, a whiteout, an opaque directory and a replaced file.
func buildSample(t *testing.T, s *Store) (Layer, string) {
	t.Helper()
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		missing(t, "busybox-static")
	}
	check := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	top := Layer{}
	step := func(f func(w *Working, p func(string) string)) {
		t.Helper()
		w, err := s.Prepare(t.Context(), top.ID)
		check(err)
		f(w, func(rel string) string { return filepath.Join(w.Root(), rel) })
		epoch := int64(1700000000)
		l, changed, err := s.Commit(t.Context(), w, CommitOptions{Clamp: &epoch})
		check(err)
		if !changed {
			t.Fatal("the step changed nothing")
		}
		top = l
	}
	step(func(w *Working, p func(string) string) {
		for _, d := range []string{"bin", "proc", "sys", "dev", "tmp", "etc", "old/sub", "run"} {
			check(os.MkdirAll(p(d), 0o755))
		}
		check(os.WriteFile(p("bin/busybox"), busybox, 0o755))
		for _, n := range []string{"sh", "ls", "stat", "cat"} {
			check(os.Symlink("busybox", p("bin/"+n)))
		}
		write(t, w, "etc/gone", "x")
		write(t, w, "etc/kept", "one")
		write(t, w, "old/sub/file", "x")
		check(os.Chmod(p("tmp"), 0o1777|os.ModeSticky))
	})
	step(func(w *Working, p func(string) string) {
		write(t, w, "srv/a", "data")
		check(os.Link(p("srv/a"), p("srv/b")), os.Chown(p("srv/a"), 33, 44), os.Chmod(p("srv/a"), 0o6755|os.ModeSetuid|os.ModeSetgid))
		check(unix.Mkfifo(p("srv/fifo"), 0o600), os.Lchown(p("srv/fifo"), 5, 6))
		write(t, w, "srv/ping", "x")
		check(unix.Setxattr(p("srv/ping"), "security.capability", []byte(capNetRaw), 0))
		check(unix.Setxattr(p("srv/ping"), "user.note", []byte("hello"), 0))
		check(os.Symlink("../nowhere", p("srv/link")), os.Lchown(p("srv/link"), 7, 8))
	})
	step(func(w *Working, p func(string) string) {
		check(os.Remove(p("etc/gone")), os.RemoveAll(p("old")))
		write(t, w, "old/new", "y")
		write(t, w, "etc/kept", "two")
	})
	id, err := s.PutImage(t.Context(), []string{"localhost/carosbuild/sample:1"}, top.ID, oci.Config{ConfigFile: v1.ConfigFile{
		Architecture: "amd64", OS: "linux", Created: v1.Time{Time: time.Unix(1700000000, 0).UTC()},
		Config: v1.Config{Cmd: []string{"/bin/sh"}, Env: []string{"PATH=/bin"}},
	}})
	check(err)
	return top, id
}

func TestInnerSample(t *testing.T) {
	dir := innerDir(t)
	if dir == "" {
		return
	}
	s := openStoreAt(t, dir)
	buildSample(t, s)
}

// podman prepares for running podman on the store in dir.
func podman(t *testing.T, dir string) func(args ...string) string {
	t.Helper()
	if os.Getuid() == 0 {
		t.Skip("needs an ordinary user: the superuser's podman reads other overlay attributes")
	}
	path := tool(t, "podman")
	runDir := filepath.Join(dir, "xdg")
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endPause(t, filepath.Join(runDir, "libpod/tmp/pause.pid")) })
	return func(args ...string) string {
		t.Helper()
		return run(t, []string{"XDG_RUNTIME_DIR=" + runDir}, path, append([]string{
			"--root", filepath.Join(dir, "graph"),
			"--runroot", filepath.Join(dir, "run"), "--storage-driver=overlay", "--cgroup-manager=cgroupfs", "--runtime=runc", "--log-level=error",
		}, args...)...)
	}
}

// endPause ends the process with which podman keeps its user namespace.
func endPause(t *testing.T, file string) {
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	pid, e := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || e != nil || pid < 2 {
		t.Errorf("podman's pause process: %q %v", b, err)
		return
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("podman's pause process %d: %v", pid, err)
	}
}

func TestPodman(t *testing.T) {
	dir := t.TempDir()
	removeInside(t, dir)
	pod := podman(t, dir)
	inside(t, "TestInnerSample", dir)
	if out := pod("images", "--format", "{{.Repository}}:{{.Tag}}"); !strings.Contains(out, "localhost/carosbuild/sample:1") {
		t.Fatalf("podman images: %q", out)
	}
	out := pod("run", "--rm", "--network=host", "--security-opt=seccomp=unconfined", "localhost/carosbuild/sample:1", "/bin/sh", "-c",
		"stat -c '%n %a %u:%g %h' /srv/a /srv/b /srv/fifo /srv/ping /srv/link; ls /old /etc/gone 2>&1; cat /etc/kept")
	want := []string{
		"/srv/a 6755 33:44 2", "/srv/b 6755 33:44 2", "/srv/fifo 600 5:6 1", "/srv/ping 644 0:0 1", "/srv/link 777 7:8 1",
		"ls: /etc/gone: No such file or directory", "/old:", "new", "two",
	}
	if d := cmp.Diff(want, strings.Split(strings.TrimSpace(out), "\n")); d != "" {
		t.Errorf("in the container (-want +got):\n%s", d)
	}
	// What podman makes from our layers has the bytes that we export.
	pod("push", "-q", "localhost/carosbuild/sample:1", "oci:"+filepath.Join(dir, "theirs"))
	inside(t, "TestInnerExport", dir)
	if d := cmp.Diff(ociDiffIDs(t, filepath.Join(dir, "ours")), ociDiffIDs(t, filepath.Join(dir, "theirs"))); d != "" {
		t.Errorf("diffIDs (-ours +podman's):\n%s", d)
	}
	pod("rmi", "localhost/carosbuild/sample:1")
	pod("load", "-q", "-i", filepath.Join(dir, "ours.tar"))
	if out := pod("images", "--format", "{{.Repository}}:{{.Tag}}"); !strings.Contains(out, "localhost/other:2") {
		t.Errorf("after podman load: %q", out)
	}
	inside(t, "TestInnerPodmanLayers", dir)
}

func TestInnerExport(t *testing.T) {
	dir := innerDir(t)
	if dir == "" {
		return
	}
	s := openStoreAt(t, dir)
	o := oci.PushOptions{Cache: oci.BlobCache{Dir: filepath.Join(dir, "cache")}}
	for _, dst := range []string{"oci:" + filepath.Join(dir, "ours") + ":x", "docker-archive:" + filepath.Join(dir, "ours.tar") + ":other:2"} {
		if err := oci.Export(t.Context(), s, "carosbuild/sample:1", dst, oci.Transfer{}, o); err != nil {
			t.Error(err)
		}
	}
}

// TestInnerPodmanLayers uses layers that podman has unpacked.
func TestInnerPodmanLayers(t *testing.T) {
	dir := innerDir(t)
	if dir == "" {
		return
	}
	s := openStoreAt(t, dir)
	i, ok, err := s.ImageByName("localhost/other:2")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	chain, err := s.Chain(i.Top)
	if err != nil || len(chain) != 3 {
		t.Fatal(chain, err)
	}
	for _, l := range chain {
		if n, err := s.measure(l); err != nil || n != l.Size {
			t.Errorf("layer of %d bytes: read %d, %v", l.Size, n, err)
		}
	}
	w, err := s.Prepare(t.Context(), i.Top)
	if err != nil {
		t.Fatal(err)
	}
	if _, changed, err := s.Commit(t.Context(), w, CommitOptions{}); err != nil || changed {
		t.Errorf("a step that does nothing: changed %t, %v", changed, err)
	}
}

// ociDiffIDs are the diffIDs of the only image in a layout.
func ociDiffIDs(t *testing.T, dir string) []v1.Hash {
	t.Helper()
	img, err := oci.OpenLayout(dir, "", "", oci.PlatformOf("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return cfg.RootFS.DiffIDs
}
