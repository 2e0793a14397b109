// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/qemu"
	"github.com/carosio/carosbuild/pkg/vm/wire"
)

// guestVariable makes this program act as QEMU with a guest that does nothing.
const guestVariable = "TEST_GUEST_OF_FAKE_QEMU"

func TestMain(m *testing.M) {
	if os.Getenv(guestVariable) == "" {
		os.Exit(m.Run())
	}
	if err := beGuest(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beGuest sends what a guest sends whose command prints "hello".
func beGuest() error {
	c := wire.New(os.NewFile(3, "port"))
	if err := c.Send(wire.Ready, nil); err != nil {
		return err
	}
	if kind, _, err := c.Receive(); kind != wire.Start || err != nil {
		return fmt.Errorf("begins with %q, %w", kind, err)
	}
	if err := errors.Join(c.Send(wire.Stdout, []byte("hello")), c.SendValue(wire.Exit, wire.Result{}), c.SendValue(wire.Done, wire.End{})); err != nil {
		return err
	}
	time.Sleep(time.Hour) // until it is killed
	return nil
}

// fakeMachine is a machine whose QEMU first runs a script.
func fakeMachine(t *testing.T, c Config, script string) *Machine {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.Scratch = t.TempDir()
	c.QEMU = filepath.Join(c.Scratch, "qemu")
	text := fmt.Sprintf("#!/bin/sh\n%s\n%s=1 exec %s\n", script, guestVariable, self)
	if err := os.WriteFile(c.QEMU, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	c.Agent = c.QEMU
	if c.Kernel, err = KernelOf(treeWith(map[string]string{"boot/vmlinuz-1": "kernel", "lib/modules/1/modules.dep": ""})); err != nil {
		t.Fatal(err)
	}
	m, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// runHello runs a job and returns what it printed.
func runHello(t *testing.T, m *Machine) string {
	d, err := NewDisk(treeWith(nil), t.TempDir())
	if err != nil {
		t.Error(err)
		return ""
	}
	defer d.Close()
	var out bytes.Buffer
	if _, err := m.Run(t.Context(), Job{Root: d.Device(), Stdout: &out}); err != nil {
		return err.Error()
	}
	return out.String()
}

// A machine that does not start with KVM is started again without it, and so are all others
// from then on; one note says so.
func TestWithoutKVM(t *testing.T) {
	for _, tt := range []struct {
		name, kvm string
		within    time.Duration
		reason    string
	}{
		{"works", ":", time.Minute, ""},
		{"hangs", "exec sleep 600", 100 * time.Millisecond, "a machine did not start with it within 100ms"},
		{"fails", "echo no KVM today >&2; exit 1", time.Minute, `a machine ended with it before its guest had started: "no KVM today"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var notes []string
			m := fakeMachine(t, Config{Accel: qemu.KVM, KVMTime: tt.within, Note: func(s string) { notes = append(notes, s) }},
				`case "$*" in *"-accel kvm"*) echo kvm >>"$0.log"; `+tt.kvm+`;; esac`)
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					if got := runHello(t, m); got != "hello" {
						t.Errorf("its output is %q", got)
					}
				})
			}
			all.Wait()
			log, err := os.ReadFile(m.QEMU + ".log")
			if err != nil {
				t.Fatal(err)
			}
			if got := runHello(t, m); got != "hello" {
				t.Errorf("a later machine's output is %q", got)
			}
			later, err := os.ReadFile(m.QEMU + ".log")
			if err != nil || (len(later) == len(log)) != (tt.reason != "") {
				t.Errorf("a later machine: %q, %v, before it %q", later, err, log)
			}
			var want []string
			if tt.reason != "" {
				want = []string{"virtual machines run without KVM from now on, which is slower: " + tt.reason}
			}
			if diff := cmp.Diff(notes, want); diff != "" || m.Reason != tt.reason {
				t.Errorf("notes (-got +want), reason %q:\n%s", m.Reason, diff)
			}
		})
	}
}

// If a machine does not start without KVM either, this is the error.
func TestNeverStarts(t *testing.T) {
	m := fakeMachine(t, Config{Accel: qemu.KVM, KVMTime: 50 * time.Millisecond, BootTime: 100 * time.Millisecond}, "[ \"$2\" = none ] || exec sleep 600")
	if got := runHello(t, m); !strings.Contains(got, "did not start within 100ms") {
		t.Errorf("got %q", got)
	}
}
