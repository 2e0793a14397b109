// SPDX-License-Identifier: MPL-2.0

//go:build integration

package vm_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/carosio/carosbuild/pkg/vm"
)

// A command that exceeds a limit is ended, with all that it has started, and the limit is
// named; one that stays below is not.
func TestLimits(t *testing.T) {
	m := open(t)
	for _, c := range []struct {
		name, script string
		pids, memory int64
		over         string
	}{
		{"a bomb", "i=0; while [ $i -lt 270 ]; do sleep 600 & i=$((i+1)); done; wait", 200, 0, "it had more than 200 processes and threads"},
		{"memory", "dd if=/dev/zero of=/dev/null bs=200M count=1", 0, 100 << 20, "it used more than 104857600 bytes of memory"},
		{"within", "dd if=/dev/zero of=/dev/null bs=20M count=1; sleep 0", 3, 100 << 20, ""},
	} {
		d, err := vm.NewDisk(small(t), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		r := shell(c.script)
		r.Plant, r.PIDs, r.Memory = true, c.pids, c.memory
		var out bytes.Buffer
		res, err := m.Run(t.Context(), vm.Job{Root: d.Device(), Request: r, Stdout: &out, Stderr: &out})
		if err != nil || res.Over != c.over || (res.Status == 0) != (c.over == "") {
			t.Errorf("%s: %v, %+v, %s", c.name, err, res, out.String())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// One port of the host's loopback can be reached where that is asked for, and no other.
func TestForward(t *testing.T) {
	m := open(t)
	var ports []uint16
	var reached [2]atomic.Int32
	for i := range reached {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				reached[i].Add(1)
				fmt.Fprintln(c, "welcome")
				c.Close()
			}
		}()
		ports = append(ports, l.Addr().(*net.TCPAddr).AddrPort().Port())
	}
	d, err := vm.NewDisk(small(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	box := &vm.Sandbox{Machine: m}
	at := box.Forward(ports[0])
	r := shell(fmt.Sprintf("for p in %d %d; do nc -w 5 %s $p </dev/null; done; ping -c 1 -W 2 %[3]s >/dev/null && echo answered; true", ports[0], ports[1], at.Addr()))
	r.Network, r.Plant, r.Forward = true, true, at.Port()
	var out bytes.Buffer
	res, err := m.Run(t.Context(), vm.Job{Root: d.Device(), Request: r, Stdout: &out, Stderr: &out})
	if err != nil || res.Status != 0 || reached[0].Load() != 1 || reached[1].Load() != 0 || strings.Count(out.String(), "welcome") != 1 || strings.Contains(out.String(), "answered") {
		t.Errorf("%v, %+v, reached %d and %d times: %s", err, res, reached[0].Load(), reached[1].Load(), out.String())
	}
}
