// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/userns/usernstest"
)

func init() {
	// closed ROOT SCRIPT: runs a shell script in a network namespace.
	programs["closed"] = func(args []string) int {
		runtime.LockOSThread()
		scratch := filepath.Join(args[0], "..", "scratch")
		err := userns.MountScratch(scratch)
		if err == nil {
			err = unix.Unshare(unix.CLONE_NEWNET)
		}
		var rt *Runtime
		if err == nil {
			rt, err = FindRuntime("", scratch)
		}
		if err == nil {
			_, err = sandbox.Plant(args[0], nil, nil)
		}
		if err != nil {
			fmt.Println(err)
			return 125
		}
		rt.BoundProc = !userns.OwnPIDs()
		status, err := rt.Run(context.Background(), sandbox.Command{
			ID: "t", Root: args[0], Network: sandbox.ClosedNetwork, NetNS: fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid()),
			Args: []string{"/bin/sh", "-c", args[1]}, Cwd: "/", Env: []string{"PATH=/bin"}, Stdout: os.Stdout, Stderr: os.Stdout,
		})
		if err != nil {
			fmt.Println("error:", err)
		}
		return status
	}
}

// The runtime understands the rules.
func TestClosedSockets(t *testing.T) {
	out, status := usernstest.Enter(t, "closed", busyboxRoot(t), "for c in 'arping -c 1 -I lo 127.0.0.1' 'traceroute -n 127.0.0.1' 'nslookup -timeout=1 a 127.0.0.1'; do busybox $c 2>&1; done; true")
	if status != 0 || strings.Count(out, "not implemented") != 2 || !strings.Contains(out, "Network is unreachable") {
		t.Errorf("status %d: %s", status, out)
	}
}

// With a network that ends before the host's loopback there are no sockets that go past its
// routes.
func TestSeccompClosed(t *testing.T) {
	f, err := seccomp(sandbox.ClosedNetwork)
	if err != nil {
		t.Fatal(err)
	}
	const refused, ok = int(syscall.ENOSYS), -1
	for _, tt := range []struct {
		family, kind uint64
		want         int
	}{
		{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_CLOEXEC, ok},
		{unix.AF_INET6, unix.SOCK_DGRAM, ok},
		{unix.AF_INET, unix.SOCK_RAW, refused},
		{unix.AF_INET, unix.SOCK_RAW | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, refused},
		{unix.AF_INET | 1<<40, unix.SOCK_RAW | 1<<40, refused}, // the kernel ignores it
		{unix.AF_INET6, unix.SOCK_RAW, refused},
		{unix.AF_INET, unix.SOCK_PACKET, refused},
		{unix.AF_PACKET, unix.SOCK_RAW, refused},
		{unix.AF_NETLINK, unix.SOCK_RAW, ok},
		{unix.AF_UNIX, unix.SOCK_STREAM, ok},
	} {
		if got := answerTo(t, f, "socket", tt.family, tt.kind); got != tt.want {
			t.Errorf("socket(%#x, %#x): %d, want %d", tt.family, tt.kind, got, tt.want)
		}
	}
}
