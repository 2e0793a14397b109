// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/vm/delta"
	"github.com/carosio/carosbuild/pkg/vm/guest"
	"github.com/carosio/carosbuild/pkg/vm/wire"
)

func TestMain(m *testing.M) {
	guest.Main(os.Args)
	os.Exit(m.Run())
}

// kernelVariable names a package with a kernel for the guests of tests, such as
// linux-image-cloud-amd64's; this machine's kernel is used without.
const kernelVariable = "CAROSBUILD_TEST_KERNEL"

// missing skips a test, or fails where tools must not be missing.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}

func open(t *testing.T) *Machine {
	t.Helper()
	var k *Kernel
	var err error
	if deb := os.Getenv(kernelVariable); deb != "" {
		k, err = KernelOfPackage(t.Context(), deb, t.TempDir())
	} else {
		k, err = KernelOfHost(t.Context(), "/")
	}
	if err != nil {
		missing(t, fmt.Errorf("%w (%s may name a package with one)", err, kernelVariable))
	}
	t.Cleanup(func() { _ = k.Close() })
	m, err := Open(t.Context(), Config{Kernel: k, Scratch: t.TempDir()})
	if err != nil {
		missing(t, err)
	}
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
	for _, name := range strings.Fields("sh id mknod rm chown ls cat mkdir ln touch setfattr sleep env sync mv chmod wget nc stat tty stty pwd ip ping mount") {
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
				b, err := contentOf(e)
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

func TestCommand(t *testing.T) {
	m := open(t)
	d, err := NewDisk(small(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var out bytes.Buffer
	r := shell("id; echo hi > /x; chown 33:44 /x; mknod /n c 1 3; rm /etc/motd; cat; cat /proc/self/status >&2; exit 3")
	r.Plant = true
	start := time.Now()
	var errs bytes.Buffer
	res, err := m.Run(context.Background(), Job{Root: d.Device(), Request: r, Stdin: strings.NewReader("from stdin\n"), Stdout: &out, Stderr: &errs})
	t.Log(time.Since(start), m.Accel, m.Reason, errs.String())
	if err != nil || res.Status != 3 || out.String() != "uid=0(root) gid=0\nfrom stdin\n" {
		t.Fatalf("%v, %+v, %q", err, res, out.String())
	}
	revert := map[string]bool{}
	for _, p := range res.Revert {
		revert[p] = true
	}
	start = time.Now()
	changes, err := d.Changes(t.Context(), revert, nil)
	t.Log(time.Since(start))
	if err != nil {
		t.Fatal(err)
	}
	got := listed(changes)
	want := []string{"etc 40755 0:0", "-etc/motd", `n 20644 0:0 1,3`, `x 100644 33:44 "hi\n"`}
	if diff := cmp.Diff(slices.Clip(got), want); diff != "" {
		t.Errorf("changes (-got +want):\n%s", diff)
	}
}

func newTree() *tree.Tree { return &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir | 0o755}}} }
