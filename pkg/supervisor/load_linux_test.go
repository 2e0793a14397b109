// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// longVar asks for the tests that take minutes.
const longVar = "CAROSBUILD_LONG_TESTS"

// BenchmarkCalls prints the cost of calls in a step and outside it.
func BenchmarkCalls(b *testing.B) {
	root := probeRoot(b, runtime.GOARCH)
	b.Log("under the supervisor, one for one:\n" + probe(b, root, runtime.GOARCH, "call", "getpid", "getuid", "stat", "absent", "owned", "chown", "open", "create", "chmod", "setresu", "xattr", "10000"))
	for b.Loop() {
		time.Sleep(time.Nanosecond)
	}
}

// Many processes and many calls leave nothing behind and come to an end. Without the
// variable there are fewer of them.
func TestMany(t *testing.T) {
	processes, calls := 300, 30_000
	if os.Getenv(longVar) == "1" {
		processes, calls = 10_000, 1_000_000
	}
	root := probeRoot(t, runtime.GOARCH)
	got := probe(t, root, runtime.GOARCH, "call", "fork", strconv.Itoa(processes))
	got += probe(t, root, runtime.GOARCH, "call", "stat", "owned", "chown", "getuid", "create", strconv.Itoa(calls/5))
	got += probe(t, root, runtime.GOARCH, "call", "mine", strconv.Itoa(calls/5))
	for _, name := range []string{"fork", "stat", "owned", "chown", "getuid", "create", "mine"} {
		if !strings.Contains(got, "\n"+name+" ") {
			t.Fatalf("%s did not come to its end:\n%s", name, got)
		}
	}
	t.Log(got)
}

// The supervisor keeps no descriptors and no memory of calls that it has answered.
func TestNoLeak(t *testing.T) {
	if !inSingle(t) {
		return
	}
	root := busyboxRoot(t)
	planted(t, root)
	var out bytes.Buffer
	c := shell(root, `look() { ls -l /proc/1/fd 2>/dev/null | wc -l; }; size() { awk '/^VmRSS/ {print $2}' /proc/1/status; }
before=$(ls /proc/1/task | wc -l); m=$(size)
for i in 1 2 3 4 5 6 7 8; do for j in 1 2 3 4 5 6 7 8; do touch f$i; chown $i:$j f$i; su web -c "echo x > /tmp/f$i; ln -sf x /tmp/l; stat /tmp/l >/dev/null; chown 5 /tmp 2>/dev/null; rm /tmp/f$i"; chroot / stat f$i >/dev/null; done; done
echo $(($(ls /proc/1/task | wc -l) - before < 4)) $(($(size) - m < 20000))`)
	c.Stdout, c.Stderr = &out, &out
	if status, err := runTimed(&Sandbox{State: t.TempDir()}, c); err != nil || status != 0 || out.String() != "1 1\n" {
		t.Errorf("status %d, %v, more threads or memory than before: %s", status, err, out.String())
	}
}

// A supervisor that dies takes the step with it.
func TestSupervisorDies(t *testing.T) {
	if !inSingle(t) {
		return
	}
	root := busyboxRoot(t)
	planted(t, root)
	go func() {
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			if _, err := os.Stat(filepath.Join(root, "tmp/ready")); err == nil {
				for _, pid := range descendants(os.Getpid()) {
					if parent, _ := parentOf(pid); parent == os.Getpid() {
						_ = unix.Kill(pid, unix.SIGKILL)
					}
				}
				return
			}
		}
	}()
	start := time.Now()
	status, err := runTimed(&Sandbox{State: t.TempDir()}, shell(root, "echo x > /tmp/ready; while chown 33 /tmp/ready; do echo x >> /tmp/ticks; done; echo x > /tmp/after; sleep 100"))
	if err == nil || !strings.Contains(err.Error(), "supervisor died") || time.Since(start) > 30*time.Second {
		t.Errorf("status %d, %v after %v", status, err, time.Since(start))
	}
	if _, err := os.Stat(filepath.Join(root, "tmp/after")); err == nil {
		t.Error("the step went on without its supervisor")
	}
	time.Sleep(50 * time.Millisecond)
	if left := descendants(os.Getpid()); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// With a masked /proc, steps share the outer one, and still leave no processes.
func TestMaskedProc(t *testing.T) {
	if !inSingle(t) {
		return
	}
	const maskedVar = "TEST_MASKED"
	if os.Getenv(maskedVar) == "" { // the mount must be made in a parent namespace
		if err := unix.Mount("tmpfs", "/proc/sys", "tmpfs", unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		cmd := single(t, "-test.v", "-test.run=^"+t.Name()+"$")
		cmd.SysProcAttr.UidMappings[0].HostID, cmd.SysProcAttr.GidMappings[0].HostID = 0, 0
		cmd.Env = append(cmd.Env, maskedVar+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	root := busyboxRoot(t)
	planted(t, root)
	s := &Sandbox{State: t.TempDir()}
	for range 2 {
		var out bytes.Buffer
		c := shell(root, fmt.Sprintf("touch f; chown 33:44 f; stat -c '%%u %%g' f; su web -c id; kill -0 %d 2>&1; echo $$; (sleep 1000; echo) & sleep 1001 & exit 3", os.Getpid()))
		c.Stdout = &out
		status, err := runTimed(s, c)
		if want := "33 44\nuid=33(web) gid=44(web) groups=7(log),44(web)\n" + fmt.Sprintf("sh: can't kill pid %d: No such process\n1\n", os.Getpid()); status != 3 || err != nil || out.String() != want {
			t.Errorf("status %d, %v: %q", status, err, out.String())
		}
		if left := descendants(os.Getpid()); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
	}
	if !s.noProc.Load() {
		t.Error("a /proc of its own could be mounted although the outer one is masked")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := s.Run(ctx, shell(root, "trap '' TERM; (while true; do sleep 1; done) & sleep 1000")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a step that was ended: %v", err)
	}
	if left := descendants(os.Getpid()); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// Records of links and FIFOs are there in the next command, and when the layer is made.
func TestRecordsStay(t *testing.T) {
	if !inSingle(t) {
		return
	}
	root := busyboxRoot(t)
	planted(t, root)
	s := &Sandbox{State: t.TempDir()}
	run := func(script string) string {
		var out bytes.Buffer
		c := shell(root, script)
		c.Stdout, c.Stderr = &out, &out
		if status, err := runTimed(s, c); err != nil || status != 0 {
			t.Fatalf("status %d, %v: %s", status, err, out.String())
		}
		return out.String()
	}
	run("cd srv; ln -s x l; chown -h 5:6 l; mkfifo p; chown 7 p; mkdir d; chown 9:9 d; touch f")
	if got := run("cd srv; stat -c '%n %u:%g %t' l p d f; rm p; mkfifo p; stat -c %u p; chown -h 0:0 l"); got != "l 5:6 0\np 7:0 0\nd 9:9 0\nf 0:0 0\n0\n" {
		t.Errorf("in the next command:\n%s", got)
	}
	table, err := s.Records(root)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	got := ""
	for _, name := range []string{"l", "p", "d", "f"} {
		info, err := table.Stat(unix.AT_FDCWD, filepath.Join(root, "srv", name))
		if err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprintf("%s %o %d:%d %s %d,%d %v\n", name, info.Mode, info.UID, info.GID, info.Kind, info.Major, info.Minor, info.Xattrs)
	}
	if want := "l 120777 0:0  0,0 map[]\np 10644 0:0  0,0 map[]\nd 40755 9:9  0,0 map[]\nf 100644 0:0  0,0 map[]\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if err := s.Forget(root); err != nil {
		t.Error(err)
	}
}

// Records of the layers below an overlay apply to their files, even after a step has copied
// them up, and the step can change them.
func TestOverlay(t *testing.T) {
	if !inSingle(t) {
		return
	}
	lower, dir := busyboxRoot(t), t.TempDir()
	planted(t, lower)
	root := filepath.Join(dir, "root")
	for _, err := range []error{
		os.Symlink("x", filepath.Join(lower, "srv/l")), unix.Mkfifo(filepath.Join(lower, "srv/p"), 0o644), unix.Mkfifo(filepath.Join(lower, "srv/q"), 0o644),
		os.WriteFile(filepath.Join(lower, "srv/f"), []byte("x"), 0o644), os.WriteFile(filepath.Join(lower, "srv/n"), nil, 0o644),
		os.Mkdir(root, 0o755), os.Mkdir(filepath.Join(dir, "upper"), 0o755), os.Mkdir(filepath.Join(dir, "work"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work,userxattr", lower, dir, dir)
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		missing(t, "an overlay on the directory for tests: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(root, 0); err != nil {
			t.Error(err)
		}
	})
	s := &Sandbox{State: t.TempDir()}
	table, err := s.Records(root)
	if err != nil {
		t.Fatal(err)
	}
	err = table.Preload(root, func(f func(*tar.Header) error) error {
		return errors.Join(f(&tar.Header{Name: "srv/l", Typeflag: tar.TypeSymlink, Uid: 5}), f(&tar.Header{Name: "srv/p", Typeflag: tar.TypeFifo, Uid: 6}),
			f(&tar.Header{Name: "srv/q", Typeflag: tar.TypeFifo, Gid: 7}), f(&tar.Header{Name: "srv/f", Uid: 8}),
			f(&tar.Header{Name: "srv/n", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3, Gid: 9}))
	}, true)
	if err := errors.Join(err, table.Close()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := shell(root, "cd srv; show() { stat -c '%n %F %u:%g %t' *; }; show; mv l m; touch -h m; chmod 600 p; chown 0:0 q; echo y >> f; chown :44 n; rm p; mkfifo p; show")
	c.Stdout, c.Stderr = &out, &out
	status, err := runTimed(s, c)
	want := "f regular file 8:0 0\nl symbolic link 5:0 0\nn character special file 0:9 1\np fifo 6:0 0\nq fifo 0:7 0\n" +
		"f regular file 8:0 0\nm symbolic link 5:0 0\nn character special file 0:44 1\np fifo 0:0 0\nq fifo 0:0 0\n"
	if status != 0 || err != nil || out.String() != want {
		t.Errorf("status %d, %v: %s", status, err, out.String())
	}
}

// Records of files that a step has removed again do not stay.
func TestRecordsOfWhatIsGone(t *testing.T) {
	if !inSingle(t) {
		return
	}
	root := busyboxRoot(t)
	planted(t, root)
	s := &Sandbox{State: t.TempDir()}
	if status, err := runTimed(s, shell(root, "cd srv; i=0; while [ $i -lt 1200 ]; do ln -s x $i; i=$((i+1)); done; chown -h 5:6 *; mkdir d; mv 7 8 d; rm [0-9]*")); err != nil || status != 0 {
		t.Fatalf("status %d, %v", status, err)
	}
	table, err := s.Records(root)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	info, err := table.Stat(unix.AT_FDCWD, filepath.Join(root, "srv/d/7"))
	if table.Len() != 2 || info.UID != 5 || err != nil {
		t.Errorf("%d records, %+v, %v", table.Len(), info, err)
	}
}
