// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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
	if status != 0 || !strings.Contains(out, "arping: socket: Address family not supported") || !strings.Contains(out, "traceroute: socket: Operation not permitted") || !strings.Contains(out, "Network is unreachable") {
		t.Errorf("status %d: %s", status, out)
	}
}
