// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/qemu"
	"github.com/carosio/carosbuild/pkg/vm/wire"
)

// stillbornError says that a machine ended before its guest sent anything. Nothing was
// written to its disks.
type stillbornError struct {
	within time.Duration // the time that was not enough; 0: it ended by itself
	err    error
}

func (e *stillbornError) Error() string {
	if e.within > 0 {
		return fmt.Sprintf("the machine did not start within %v", e.within)
	}
	return e.err.Error()
}

func (e *stillbornError) Unwrap() error { return e.err }

// reason says why KVM is not used any more. Console is the machine's output.
func (e *stillbornError) reason(console string) string {
	if e.within > 0 {
		return fmt.Sprintf("a machine did not start with it within %v", e.within)
	}
	reason := "a machine ended with it before its guest had started"
	if last := console[strings.LastIndexByte(console, '\n')+1:]; last != "" {
		reason += fmt.Sprintf(": %.200q", last)
	}
	return reason
}

// attempt runs a job, and repeats it without KVM if the guest does not start with KVM: on
// some hosts one machine works, and the next one hangs.
func (m *Machine) attempt(ctx context.Context, j Job) (wire.Result, error) {
	accel := m.accelerator()
	res, err := m.once(ctx, j, accel)
	dead, ok := errors.AsType[*stillbornError](err)
	if !ok || accel == qemu.TCG || ctx.Err() != nil {
		return res, err
	}
	console := ""
	if e, ok := errors.AsType[*MachineError](err); ok {
		console = e.Console
	}
	m.emulate(dead.reason(console))
	return m.once(ctx, j, qemu.TCG)
}

// accelerator is the accelerator of a machine that starts now.
func (m *Machine) accelerator() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Accel
}

// emulate makes all machines that start from now on run without KVM, and says so once.
func (m *Machine) emulate(reason string) {
	m.mu.Lock()
	first := m.Accel != qemu.TCG
	if first {
		m.Accel, m.Reason = qemu.TCG, reason
	}
	m.mu.Unlock()
	if first && m.Note != nil {
		m.Note("virtual machines run without KVM from now on, which is slower: " + reason)
	}
}

// bootTime is how long a guest may take to report that it runs.
func (m *Machine) bootTime(accel string) time.Duration {
	if accel == qemu.TCG {
		return m.BootTime
	}
	return m.KVMTime
}
