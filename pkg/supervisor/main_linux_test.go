// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
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

	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/userns"

	"golang.org/x/sys/unix"
)

// singleVar says that this is a process of a test in a namespace with one id.
const singleVar = "TEST_SINGLE_ID"

// programs run inside a namespace, by name; each gets its arguments.
var programs = map[string]func(args []string) error{}

func TestMain(m *testing.M) {
	if status, inner := Inner(os.Getenv); inner {
		os.Exit(status)
	}
	if userns.Inside(os.Getenv) {
		if _, err := userns.Settle(os.Args, os.Environ()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(125)
		}
	}
	if len(os.Args) > 1 && programs[os.Args[1]] != nil {
		if err := programs[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// single is a command of this program in a user namespace whose only id is 0.
func single(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), singleVar+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	return cmd
}

// inSingle runs the test again in a namespace with one id. It returns true there, and false
// outside once that run has passed.
func inSingle(t testing.TB) bool {
	t.Helper()
	if os.Getenv(singleVar) != "" {
		return true
	}
	var out bytes.Buffer
	flag := "-test.run=^" + t.Name() + "$"
	if _, ok := t.(*testing.B); ok {
		flag = "-test.bench=^" + t.Name() + "$"
	}
	cmd := single(t, "-test.v", flag)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		missing(t, "a user namespace: "+err.Error())
	}
	t.Log(out.String())
	if err != nil {
		t.Fatal("inside the namespace: ", err)
	}
	return false
}

// missing skips a test that lacks something, or fails it if everything is required.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatal("needs ", what)
	}
	t.Skip("needs ", what)
}

// busyboxRoot makes a root whose programs are busybox's.
func busyboxRoot(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		missing(t, "busybox (package busybox-static)")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	for _, dir := range []string{"bin", "etc", "tmp", "srv"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	all := []error{
		os.Chmod(root, 0o755), os.Chmod(filepath.Join(root, "tmp"), 0o777|os.ModeSticky),
		os.WriteFile(filepath.Join(root, "bin/busybox"), data, 0o755),
		os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/srv:/bin/sh\nlog:x:7:7::/:/bin/sh\n"), 0o644),
		os.WriteFile(filepath.Join(root, "etc/group"), []byte("root:x:0:\nweb:x:44:\nlog:x:7:web\n"), 0o644),
	}
	out, err := exec.CommandContext(t.Context(), path, "--list").Output()
	all = append(all, err)
	for name := range strings.FieldsSeq(string(out)) {
		if name != "busybox" {
			all = append(all, os.Symlink("busybox", filepath.Join(root, "bin", name)))
		}
	}
	if err := errors.Join(all...); err != nil {
		t.Fatal(err)
	}
	return root
}

// planted gives a root its mount points.
func planted(t testing.TB, root string) {
	t.Helper()
	if _, err := sandbox.Plant(root, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// shell is a script as a command.
func shell(root, script string) sandbox.Command {
	return sandbox.Command{
		ID: "t", Root: root, Args: []string{"/bin/sh", "-c", script}, Cwd: "/", Network: sandbox.NoNetwork,
		Env: []string{"HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"},
	}
}

// runTimed runs a command that may hang if something is wrong.
func runTimed(s *Sandbox, c sandbox.Command) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	return s.Run(ctx, c)
}
