// SPDX-License-Identifier: MPL-2.0

//go:build integration

package vm_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/vm"
)

// What goes past the routes does not reach the host's loopback either: sockets that are bound
// to the card, raw ones, packets, and broadcasts, which QEMU takes for the loopback.
func TestAround(t *testing.T) {
	m := open(t)
	program := filepath.Join(t.TempDir(), "around")
	build := exec.CommandContext(t.Context(), cmp.Or(os.Getenv("GO"), "go"), "build", "-o", program, "./testdata/around")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	var mu sync.Mutex
	var reached []string
	note := func(text string) { mu.Lock(); reached = append(reached, text); mu.Unlock() }
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			note("tcp")
			c.Close()
		}
	}()
	go func() {
		b := make([]byte, 100)
		for {
			n, _, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			note(string(b[:n]))
		}
	}()
	root := small(t).With([]tree.Entry{{Path: "around", Mode: tree.Regular | 0o755, Size: int64(len(data)), Content: image.Bytes(data)}})
	d, err := vm.NewDisk(root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r := shell(fmt.Sprintf("/around %d %d", l.Addr().(*net.TCPAddr).Port, u.LocalAddr().(*net.UDPAddr).Port))
	r.Network, r.Plant = true, true
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	res, err := m.Run(ctx, vm.Job{Root: d.Device(), Request: r, Stdout: &out, Stderr: &out})
	time.Sleep(100 * time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	if err != nil || res.Status != 0 || len(reached) > 0 || strings.Contains(out.String(), "open") {
		t.Errorf("%v, %+v, reached: %q; %s", err, res, reached, out.String())
	}
}
