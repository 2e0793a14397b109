// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Accelerators of QEMU.
const (
	KVM = "kvm"
	TCG = "tcg"
)

// probe is probe/probe.s, assembled.
//
//go:embed probe/probe.bin
var probe []byte

// A working KVM needs a tenth of a second for the probe. A broken one may let a guest
// succeed now and then.
const (
	probeTime = 3 * time.Second
	probes    = 5
)

// Accelerator is KVM if it works for the machine, else TCG, with the reason if KVM
// exists and does not work: a device node alone says nothing, since on some hosts
// guests hang or die with it.
func Accelerator(ctx context.Context, m Machine, dir string) (accel, reason string, err error) {
	if m.Arch != "x86_64" || runtime.GOARCH != "amd64" || m.Program != "qemu-system-x86_64" {
		return TCG, "", nil
	}
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return TCG, "", nil
	}
	if err := f.Close(); err != nil {
		return TCG, "", err
	}
	why, err := probeAll(probes, func() (string, error) { return tryProbe(ctx, m, dir, KVM, probeTime) })
	if err != nil || why != "" {
		return TCG, why, err
	}
	return KVM, "", nil
}

// probeAll tries several times, until one attempt fails, and returns the reason.
func probeAll(times int, try func() (string, error)) (string, error) {
	for i := range times {
		why, err := try()
		if why != "" && i > 0 {
			why += fmt.Sprintf(", although it worked %d times before", i)
		}
		if why != "" || err != nil {
			return why, err
		}
	}
	return "", nil
}

// tryProbe boots the probe and returns why it did not work, or "".
func tryProbe(ctx context.Context, m Machine, dir, accel string, within time.Duration) (string, error) {
	p := program(m.Program)
	if p == "" {
		return "", &MissingError{m.Program, m.Package}
	}
	image := filepath.Join(dir, "probe.raw")
	disk := make([]byte, 1<<20) // a BIOS does not boot from anything much smaller
	copy(disk, probe)
	if err := os.WriteFile(image, disk, 0o600); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	cpu := "host"
	if accel != KVM {
		cpu = "max"
	}
	cmd := exec.CommandContext(ctx, p, "-machine", "pc", "-accel", accel, "-cpu", cpu, "-nodefaults", "-display", "none", "-monitor", "none",
		"-serial", "stdio", "-drive", "if=ide,format=raw,file="+escape(image))
	seen := &until{text: "64\n", found: cancel}
	cmd.Stdout, cmd.Stderr = seen, &seen.rest
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case seen.done:
		return "", nil
	case err != nil && ctx.Err() == nil:
		first, _, _ := strings.Cut(strings.TrimSpace(seen.rest.String()), "\n")
		return "QEMU failed with it: " + cmp.Or(first, err.Error()), nil
	}
	return "a guest did not start with it within " + within.String(), nil
}

// until calls found when a text has been written to it.
type until struct {
	text  string
	found func()
	got   string
	done  bool
	rest  strings.Builder // for another stream
}

func (u *until) Write(p []byte) (int, error) {
	if u.got += string(p); strings.Contains(u.got, u.text) && !u.done {
		u.done = true
		u.found()
	}
	return len(p), nil
}
