// SPDX-License-Identifier: MPL-2.0

package chroot

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestMain(m *testing.M) {
	Init()
	os.Exit(m.Run())
}

// busyboxRoot makes a root with the programs of busybox. It needs the superuser: only the
// superuser can change its root outside a user namespace.
func busyboxRoot(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only the superuser can change his root and make devices")
	}
	path, err := exec.LookPath("busybox")
	if err != nil {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatal("busybox is not installed (package busybox-static)")
		}
		t.Skip("busybox is not installed (package busybox-static)")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	for name, content := range map[string]string{"bin/busybox": string(data), "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/:/bin/sh\n"} {
		p := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		if err = errors.Join(err, os.WriteFile(p, []byte(content), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	applets, err := exec.CommandContext(t.Context(), path, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(applets)) {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	if _, err := sandbox.Plant(root, nil, nil); err != nil {
		t.Fatal(err)
	}
	return root
}

// step is a shell script in a root.
func step(root, script string) sandbox.Command {
	return sandbox.Command{
		ID: "t", Root: root, Args: []string{"/bin/sh", "-c", script}, Cwd: "/", Network: sandbox.HostNetwork, Env: []string{"HOME=/root", "PATH=/bin"},
	}
}

// run runs a step and returns its exit status and output.
func run(t *testing.T, c sandbox.Command) (int, string) {
	t.Helper()
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	status, err := New(t.TempDir(), "").Run(t.Context(), c)
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return status, out.String()
}

func TestSandbox(t *testing.T) {
	enginetest.TestSandbox(t, func(t *testing.T) enginetest.Box {
		return enginetest.Box{Sandbox: New(t.TempDir(), ""), Root: busyboxRoot(t), Isolated: true, Shared: true}
	})
}

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *sandbox.Command)
		script string
		out    string
		status int
	}{
		{"environment is what was given", nil, "env | sort", "HOME=/root\nPATH=/bin\nPWD=/\nSHLVL=1\n", 0},
		{"umask", nil, "umask", "0022\n", 0},
		{"only the standard descriptors", nil, "for i in 3 4 5 6 7 8 9; do (eval \"true <&$i\") 2>/dev/null && echo $i; done; true", "", 0},
		{
			"devices", nil, "echo x > /dev/null; head -c 3 /dev/zero | od -An -tx1; head -c 9 /dev/urandom | wc -c; (echo x > /dev/full) 2>/dev/null || echo full",
			" 00 00 00\n9\nfull\n", 0,
		},
		{"dev", nil, "stat -c %a /dev; ls /dev; (echo x > /dev/stderr) 2>/dev/null || echo no stderr", "755\nfd\nfull\nmqueue\nnull\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\nno stderr\n", 0},
		{"no proc and sys", nil, "ls /proc /sys", "/proc:\n\n/sys:\n", 0},
		{"no root below the root", nil, "mkdir /x; chroot /x /bin/true", "chroot: can't change root directory to '/x': Operation not permitted\n", 1},
		{"no devices", nil, "mknod /x b 8 0; mknod /y c 1 3; mknod /p p && ls -l /p | cut -c1", "mknod: /x: Operation not permitted\nmknod: /y: Operation not permitted\np\n", 0},
		{"no mounting", nil, "mount -t tmpfs x /bin 2>/dev/null || echo no", "no\n", 0},
		{"no namespaces", nil, "unshare -U true 2>/dev/null || unshare -n true 2>/dev/null || echo no", "no\n", 0},
		{"owners", nil, "touch f && chown 33:44 f && stat -c %u:%g f", "33:44\n", 0},
		{"working directory that is missing", func(c *sandbox.Command) { c.Cwd = "/a/b" }, "pwd; stat -c %u:%a /a/b", "/a/b\n0:755\n", 0},
		{"another user", func(c *sandbox.Command) { c.UID, c.GID = 33, 44 }, "id -u; touch /etc/f 2>/dev/null || echo no", "33\nno\n", 0},
		{"another user and devices", func(c *sandbox.Command) { c.UID, c.GID = 33, 44 }, "echo x > /dev/null && echo y > /dev/shm/z && cat /dev/shm/z", "y\n", 0},
		{"program of the path", func(c *sandbox.Command) { c.Args = []string{"echo", "a", "b"} }, "", "a b\n", 0},
		{"without a network: pings", func(c *sandbox.Command) { c.Network = sandbox.NoNetwork }, "ping -c 1 -w 1 127.0.0.1 2>&1 | tail -n 1", "ping: can't create raw socket: Address family not supported by protocol\n", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := step(busyboxRoot(t), tt.script)
			if tt.change != nil {
				tt.change(&c)
			}
			status, out := run(t, c)
			if diff := cmp.Diff(out, tt.out); diff != "" || status != tt.status {
				t.Errorf("status %d, want %d; output (-got +want):\n%s", status, tt.status, diff)
			}
		})
	}
}

// Afterwards a root is as the step left it, without traces of the sandbox.
func TestRunLeavesNothing(t *testing.T) {
	root, cache := busyboxRoot(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "dev/mine"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := list(t, filepath.Dir(root))
	c := step(root, "touch /dev/x /proc/x /sys/x /mnt/kept /made; ls /dev/mine 2>/dev/null")
	c.Mounts = []sandbox.Mount{{Source: cache, Target: "/mnt"}}
	if err := os.Mkdir(filepath.Join(root, "mnt"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, out := run(t, c); out != "" {
		t.Errorf("printed %q", out)
	}
	after := list(t, filepath.Dir(root))
	if diff := cmp.Diff(after, append(before, "root/made", "root/mnt"), cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("afterwards (-got +want):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(cache, "kept")); err != nil {
		t.Error(err)
	}
}

// list lists the paths below a directory.
func list(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, p)
		out = append(out, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRunStartErrors(t *testing.T) {
	root := busyboxRoot(t)
	if err := os.WriteFile(filepath.Join(root, "bad"), []byte("#!/none-such\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"/none-such"}, {"none-such"}, {"/bad"}, {"/etc/passwd/x"}, {"/etc"}, {}} {
		c := step(root, "")
		c.Args = args
		var start *sandbox.StartError
		if status, err := New(t.TempDir(), "").Run(t.Context(), c); !errors.As(err, &start) || status != 0 {
			t.Errorf("%q: status %d, %v", args, status, err)
		}
	}
}

// A step cannot reach the builder's own terminal.
func TestTerminal(t *testing.T) {
	c := step(busyboxRoot(t), "test -t 0 && test -t 1 && echo a terminal; read x; echo \"got $x\"; echo z > /dev/tty")
	c.Terminal, c.Stdin = true, strings.NewReader("typed\n")
	_, out := run(t, c)
	for _, want := range []string{"a terminal\r\n", "got typed\r\n", "z\r\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %q", want, out)
		}
	}
}
