// SPDX-License-Identifier: MPL-2.0

//go:build integration

// Package vm_test boots virtual machines of package vm: its test program is what runs in
// them, too. They take seconds each, emulated.
package vm_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/binfmt"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/vm"
	"github.com/carosio/carosbuild/pkg/vm/delta"
	"github.com/carosio/carosbuild/pkg/vm/guest"
	"github.com/carosio/carosbuild/pkg/vm/roots"
	"github.com/carosio/carosbuild/pkg/vm/roots/rootstest"
	"github.com/carosio/carosbuild/pkg/vm/wire"
)

func TestMain(m *testing.M) {
	guest.Main(os.Args)
	os.Exit(m.Run())
}

// kernelVariable names a package with a kernel for the guests of tests, such as
// linux-image-cloud-amd64's.
const kernelVariable = "CAROSBUILD_TEST_KERNEL"

// missing skips a test, or fails where tools must not be missing.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// kernel is that of the package that the variable names, of this machine, or of Debian's
// package for virtual machines.
func kernel(t *testing.T) *vm.Kernel {
	t.Helper()
	deb := os.Getenv(kernelVariable)
	if deb == "" {
		if k, err := vm.KernelOfHost(t.Context(), "/"); err == nil {
			return k
		}
		deb = download(t)
	}
	k, err := vm.KernelOfPackage(t.Context(), deb, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func download(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c",
		"apt-get download $(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \\(linux-image-[^ ]*\\)/\\1/p') && echo $PWD/*.deb")
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		missing(t, fmt.Errorf("no kernel: %w (%s may name a package with one)", err, kernelVariable))
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// long skips a test that starts a machine where minutes count.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("CAROSBUILD_REACH") == "" {
		t.Skip("make reach runs it: it takes minutes without KVM")
	}
}

func open(t *testing.T) *vm.Machine {
	t.Helper()
	long(t)
	k := kernel(t)
	t.Cleanup(func() { _ = k.Close() })
	m, err := vm.Open(t.Context(), vm.Config{Kernel: k, Scratch: t.TempDir()})
	if err != nil {
		missing(t, err)
	}
	t.Logf("with %s; not with KVM: %q", m.Accel, m.Reason)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// small is a root with busybox and some files.
func small(t *testing.T) *tree.Tree {
	t.Helper()
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		missing(t, err)
	}
	b := tree.NewBuilder(1e9)
	file := func(path, content string, mode uint32) tree.Entry {
		return tree.Entry{Path: path, Mode: tree.Regular | mode, Size: int64(len(content)), Content: image.Bytes(content), Mtime: 1e9}
	}
	add := func(e tree.Entry) {
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	add(file("bin/busybox", string(busybox), 0o755))
	for _, name := range strings.Fields("sh id mknod rm dd chown ls cat mkdir ln touch setfattr sleep env sync mv chmod wget nc stat tty stty pwd ip ping mount arping") {
		add(tree.Entry{Path: "bin/" + name, Mode: tree.Symlink | 0o777, Link: "busybox", Mtime: 1e9})
	}
	add(file("etc/motd", "hello\n", 0o644))
	add(file("etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0o644))
	add(file("d/a", "one", 0o644))
	add(file("d/b", "two", 0o644))
	add(tree.Entry{Path: "d/c", Hardlink: "d/b"})
	for _, d := range []string{"proc", "dev", "sys", "tmp"} {
		add(tree.Entry{Path: d, Mode: tree.Dir | 0o755, Mtime: 1e9})
	}
	tr, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func shell(script string) wire.Request {
	return wire.Request{Args: []string{"/bin/sh", "-c", script}, Cwd: "/", Env: []string{"PATH=/bin", "HOME=/root"}, Hostname: "localhost"}
}

func listed(changes []delta.Change) (out []string) {
	for _, c := range changes {
		switch e := c.Entry; {
		case c.Removed:
			out = append(out, "-"+c.Path)
		case e.Hardlink != "":
			out = append(out, c.Path+" = "+e.Hardlink)
		default:
			line := fmt.Sprintf("%s %o %d:%d", c.Path, e.Mode, e.UID, e.GID)
			if e.Rdev != (tree.Device{}) {
				line += fmt.Sprintf(" %d,%d", e.Rdev.Major, e.Rdev.Minor)
			}
			if e.Type() == tree.Regular {
				b, err := io.ReadAll(io.NewSectionReader(e.Content, 0, e.Size))
				line += fmt.Sprintf(" %q", b)
				if err != nil {
					line += err.Error()
				}
			}
			out = append(out, line)
		}
	}
	return out
}

// What a command has changed is told by metadata and content, and e2fsck finds nothing on
// the disk.
func TestCommand(t *testing.T) {
	m := open(t)
	d, err := vm.NewDisk(small(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r := shell(`id; cat; echo hi > /x; chown 33:44 /x; mknod /n c 1 3; mknod /p p; rm /etc/motd; echo 2 > /d/a; ln /d/b /d/z
		ln -s nowhere /l; mkdir -p /new/er; chmod 1777 /new; chmod 4755 /bin/busybox; mv /tmp /moved; dd if=/dev/zero of=/big bs=1M count=20; rm /big
		for i in 1 2 3 4 5 6 7 8 9; do echo $i > /new/file-with-a-long-name-$i; done; rm /new/file*[1-8]; exit 3`)
	r.Plant = true
	var out, errs bytes.Buffer
	start := time.Now()
	res, err := m.Run(t.Context(), vm.Job{Root: d.Device(), Request: r, Stdin: strings.NewReader("from stdin\n"), Stdout: &out, Stderr: &errs})
	t.Log("it took", time.Since(start))
	if err != nil || res.Status != 3 || out.String() != "uid=0(root) gid=0\nfrom stdin\n" {
		t.Fatalf("%v, %+v, %q, %s", err, res, out.String(), errs.String())
	}
	revert := map[string]bool{}
	for _, p := range res.Revert {
		revert[p] = true
	}
	start = time.Now()
	changes, err := d.Changes(t.Context(), revert)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("reading back took", time.Since(start))
	for i := range changes { // not among what is printed
		if e := changes[i].Entry; e != nil && e.Path == "bin/busybox" {
			e.Size, e.Content = 0, image.Bytes(nil)
		}
	}
	want := []string{
		"bin 40755 0:0", `bin/busybox 104755 0:0 ""`, "d 40755 0:0", `d/a 100644 0:0 "2\n"`, `d/b 100644 0:0 "two"`, "d/c = d/b", "d/z = d/b",
		"etc 40755 0:0", "-etc/motd", "l 120777 0:0", "moved 40755 0:0", `n 20644 0:0 1,3`, "new 41777 0:0", "new/er 40755 0:0",
		`new/file-with-a-long-name-9 100644 0:0 "9\n"`, "p 10644 0:0", "-tmp", `x 100644 33:44 "hi\n"`,
	}
	if diff := cmp.Diff(listed(changes), want); diff != "" {
		t.Errorf("changes (-got +want):\n%s", diff)
	}
	fsck(t, d)
}

// fsck has e2fsck look at a disk.
func fsck(t *testing.T, d *vm.Disk) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dev := d.Device()
	if err := f.Truncate(dev.Size()); err != nil {
		t.Fatal(err)
	}
	buf, zeros := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); off < dev.Size(); off += int64(len(buf)) {
		n, err := dev.ReadAt(buf, off)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if bytes.Equal(buf[:n], zeros[:n]) {
			continue
		}
		if _, err := f.WriteAt(buf[:n], off); err != nil {
			t.Fatal(err)
		}
	}
	program := "e2fsck"
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/e2fsck"
	}
	out, err := exec.CommandContext(t.Context(), program, "-fn", name).CombinedOutput()
	if errors.Is(err, os.ErrNotExist) {
		missing(t, err)
	}
	if err != nil {
		t.Errorf("e2fsck: %v: %s", err, out)
	}
}

// A snapshot becomes a layer, and the next one is based on it; a command that does not
// come about is an error.
func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	snaps := &roots.Snapshots{Layers: &rootstest.Layers{}, Dir: t.TempDir()}
	box := &vm.Sandbox{Machine: open(t), Scratch: t.TempDir(), Table: snaps.Table}
	base, err := snaps.Layers.Put(t.Context(), "", func(w io.Writer) error {
		changes, err := delta.Find(t.Context(), newTree(), small(t), delta.Options{})
		if err != nil {
			return err
		}
		return delta.WriteTar(t.Context(), w, changes, delta.TarOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	step := func(below, script string) (string, bool, string) {
		w, err := snaps.Prepare(t.Context(), below)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		status, err := box.Run(t.Context(), sandbox.Command{
			ID: "x", Root: w.Root(), Args: []string{"sh", "-c", script}, Env: []string{"PATH=/bin"}, Cwd: "/", Network: sandbox.NoNetwork, Stdout: &out, Stderr: &out,
			Mounts: []sandbox.Mount{{Source: dir, Target: "/mnt/deep", ReadOnly: true}},
		})
		if status != 0 || err != nil {
			t.Fatalf("status %d, %v: %s", status, err, out.String())
		}
		layer, changed, err := w.Commit(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Commit(t.Context(), nil); err == nil || w.Discard() != nil {
			t.Error("it was committed twice")
		}
		return layer, changed, out.String()
	}
	one, changed, out := step(base, "cat /etc/hosts; echo 1 > /one; chown 33:44 /one; rm /etc/motd")
	if !changed || !strings.HasPrefix(out, "127.0.0.1\tlocalhost") {
		t.Errorf("changed %v: %s", changed, out)
	}
	if again, changed, out := step(one, "cat /one; stat -c %u:%g /one; ls /etc /mnt/deep"); again != one || changed || !strings.HasPrefix(out, "1\n33:44\n/etc:\nhosts\npasswd\n") {
		t.Errorf("changed %v: %s", changed, out)
	}
	w, err := snaps.Prepare(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := box.Run(t.Context(), sandbox.Command{Root: w.Root(), Args: []string{"none-such"}, Env: []string{"PATH=/bin"}, Cwd: "/"}); err == nil {
		t.Error("a program that does not exist was run")
	}
	if err := w.Discard(); err != nil {
		t.Error(err)
	}
}

// A command has a terminal of the size that is asked for, and its end of input.
func TestTerminal(t *testing.T) {
	m := open(t)
	d, err := vm.NewDisk(small(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r := shell("tty; stty size; cat; echo end")
	r.Terminal, r.Window, r.Plant = true, wire.Window{Rows: 33, Cols: 111}, true
	in, typed := io.Pipe()
	out := &typist{after: "111\r\n", then: func() {
		_, _ = typed.Write([]byte("typed\n"))
		typed.Close()
	}}
	res, err := m.Run(t.Context(), vm.Job{Root: d.Device(), Request: r, Stdin: in, Stdout: out})
	if want := "/dev/pts/0\r\n33 111\r\ntyped\r\ntyped\r\nend\r\n"; err != nil || res.Status != 0 || out.seen != want {
		t.Errorf("%v, %+v, %q, want %q", err, res, out.seen, want)
	}
}

// typist types when it has seen something.
type typist struct {
	seen, after string
	then        func()
}

func (y *typist) Write(p []byte) (int, error) {
	if y.seen += string(p); strings.HasSuffix(y.seen, y.after) {
		go y.then()
	}
	return len(p), nil
}

// The network reaches the resolver of QEMU and, through it, the world, and not what listens
// on the host's loopback.
func TestNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var reached atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	m := open(t)
	d, err := vm.NewDisk(small(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r := shell("ip route add 10.0.2.2 dev eth0; for a in 10.0.2.2 10.0.2.4 127.0.0.1; do echo | nc -w 2 $a " + port + " && echo reached $a; done; ip route; arping -I eth0 -c 1 10.0.2.2; true")
	r.Network, r.Plant = true, true
	var out bytes.Buffer
	res, err := m.Run(t.Context(), vm.Job{Root: d.Device(), Request: r, Stdout: &out, Stderr: &out})
	if err != nil || res.Status != 0 || reached.Load() != 0 || !strings.Contains(out.String(), "default via 10.0.2.2 dev eth0") || strings.Count(out.String(), "not permitted") != 2 { // a route, and a packet socket
		t.Errorf("%v, %+v, reached %d times: %s", err, res, reached.Load(), out.String())
	}
}

// A program of another architecture runs.
func TestForeign(t *testing.T) {
	const arch = "arm64"
	if runtime.GOARCH == arch {
		t.Skip("it is not foreign here")
	}
	if binfmt.Emulator(arch) == "" {
		missing(t, errors.New("no emulator for "+arch))
	}
	root := small(t).With([]tree.Entry{{Path: "foreign", Mode: tree.Regular | 0o755, Size: int64(len(binfmt.Program(arch))), Content: image.Bytes(binfmt.Program(arch))}})
	m := open(t)
	for emulate, runs := range map[string]bool{arch: true, "": false} {
		d, err := vm.NewDisk(root, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		r := shell("/foreign; exit $?")
		r.Plant, r.Emulate = true, emulate
		var out bytes.Buffer
		res, err := m.Run(t.Context(), vm.Job{Root: d.Device(), Request: r, Stdout: &out, Stderr: &out})
		if err != nil || (res.Status == 0) != runs {
			t.Errorf("with an emulator for %q: %v, %+v, %s", emulate, err, res, out.String())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What starts a machine and is killed takes it with it.
func TestHostDies(t *testing.T) {
	if os.Getenv(childVariable) == "1" {
		m := open(t)
		d, err := vm.NewDisk(small(t), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		r := shell("echo running; sleep 600")
		r.Plant = true
		_, err = m.Run(t.Context(), vm.Job{Root: d.Device(), Request: r, Stdout: os.Stdout})
		t.Fatal(err)
	}
	long(t)
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestHostDies$")
	cmd.Env = append(os.Environ(), childVariable+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewScanner(out); in.Scan() && in.Text() != "running"; {
		t.Log(in.Text())
	}
	machines := children(t, cmd.Process.Pid)
	if len(machines) == 0 {
		t.Fatal("there is no machine")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		left := slices.DeleteFunc(slices.Clone(machines), func(pid int) bool { return !alive(pid) })
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("machines %v are left", left)
		}
	}
}

const childVariable = "CAROSBUILD_TEST_VM_CHILD"

// children are the processes that a process has started.
func children(t *testing.T, pid int) (out []int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for s := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(s); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// alive reports whether a process runs; one that has ended and that nobody has waited for
// does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func newTree() *tree.Tree { return &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir | 0o755}}} }
