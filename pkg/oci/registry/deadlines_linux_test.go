// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A host that does not answer is given up soon, much earlier than by the kernel.
func TestUnreachable(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := closed.Addr().String()
	closed.Close()
	start := time.Now()
	_, err = Client{}.Resolve(t.Context(), host+"/x:1", "")
	if !IsNetwork(err) || !strings.Contains(err.Error(), "cannot be reached") || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
	// If nobody accepts, the kernel queues a few connections, and then drops packets.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
	for range 8 {
		conn, err := dial(100*time.Millisecond)(t.Context(), "tcp", addr)
		if err == nil {
			defer conn.Close()
			continue
		}
		var late *slowError
		if !errors.As(err, &late) || !strings.Contains(err.Error(), "did not take a connection within 100ms") {
			t.Errorf("got %v", err)
		}
		return
	}
	t.Error("nobody accepts, and yet all are connected")
}
