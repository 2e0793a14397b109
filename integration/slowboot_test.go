// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSlowBoots boots what the built-in declarations make, many times, each time
// with QEMU slowed to a third: it is stopped for two thirds of each 300 ms, as
// cpulimit would. Each boot must show a login, by "carosbuild boot" with what the
// declaration itself expects. It takes hours: make slow-boots.
//
// CAROSBUILD_SLOW_BOOTS is how many boots of each; CAROSBUILD_SLOW_DISKS is a
// directory in which the disks are kept, and taken from where they are there, and
// where the consoles are written to.
func TestSlowBoots(t *testing.T) {
	runs, err := strconv.Atoi(os.Getenv("CAROSBUILD_SLOW_BOOTS"))
	if err != nil || runs < 1 {
		t.Skip("make slow-boots runs it")
	}
	for _, c := range []struct {
		name, disk string
		qemu       string // that the target's programs run in while it is built
		newer      bool   // needs a QEMU of the backports
	}{
		{"vmware", "vmware.vmdk", "", false},
		{"arm64-uefi", "arm64-uefi.img", "qemu-aarch64-static", false},
		{"orangepi-pc", "orangepi-pc.img", "qemu-arm-static", false},
		{"cubieboard", "cubieboard.img", "qemu-arm-static", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.qemu != "" {
				tool(t, c.qemu)
			}
			dir := os.Getenv("CAROSBUILD_SLOW_DISKS")
			if dir == "" {
				dir = w.work
			}
			disk := filepath.Join(dir, c.disk)
			if _, err := os.Stat(disk); err != nil {
				w.build(t, c.name+".xml", "--out", disk)
			}
			if c.newer {
				w.wrap(t, "qemu-system-arm", newQEMU(t, w))
			}
			logins := 0
			for i := range runs {
				console, err := slowBoot(t, w, c.name+".xml", disk)
				log := filepath.Join(dir, fmt.Sprintf("%s.%d.console", c.name, i+1))
				if e := os.WriteFile(log, []byte(console), 0o644); e != nil {
					t.Fatal(e)
				}
				if err != nil {
					t.Errorf("boot %d of %s: %v\n%s", i+1, c.name, err, tailOf(console))
					continue
				}
				logins++
				t.Logf("boot %d of %s: %s", i+1, c.name, regexp.MustCompile(`booted as expected.*`).FindString(console))
			}
			t.Logf("%s: %d logins in %d boots", c.name, logins, runs)
		})
	}
}

// wrap puts a program of that name, which is a command, in front of the others.
func (w *world) wrap(t *testing.T, name string, command []string) {
	t.Helper()
	dir := filepath.Join(w.dir, "wrap")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nexec"
	for _, word := range command {
		script += " '" + word + "'"
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(script+" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.setenv("PATH=" + dir + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin")
}

// slowBoot boots a disk up to what its declaration expects, slowed to a third,
// and returns what was shown.
func slowBoot(t *testing.T, w *world, declaration, disk string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := w.command(ctx, program(t), "boot", disk, "--accel", "tcg", "--declaration", declaration)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return out.String(), err
		case <-time.After(100 * time.Millisecond):
		}
		if err := pause(cmd.Process.Pid, 200*time.Millisecond); err != nil {
			cancel()
			return "", errors.Join(err, <-ended)
		}
	}
}

// pause stops the QEMU that a process has started for so long.
func pause(parent int, d time.Duration) error {
	pid, err := childQEMU(parent)
	if err != nil || pid == 0 {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return nil // it has just ended
	}
	time.Sleep(d)
	_ = syscall.Kill(pid, syscall.SIGCONT)
	return nil
}

// childQEMU is the virtual machine among the children of a process, 0 before
// there is one.
func childQEMU(parent int) (int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		name, rest, _ := strings.Cut(string(data), ") ")
		f := strings.Fields(rest)
		if _, name, _ = strings.Cut(name, " ("); len(f) > 1 && f[1] == strconv.Itoa(parent) && strings.HasPrefix(name, "qemu-system") {
			return strconv.Atoi(filepath.Base(filepath.Dir(path)))
		}
	}
	return 0, nil
}

// TestPause: what is slowed to a third gets a third.
func TestPause(t *testing.T) {
	if os.Getenv("CAROSBUILD_SLOW_BOOTS") == "" {
		t.Skip("make slow-boots runs it")
	}
	// The name of a process is that of its file.
	busy := filepath.Join(t.TempDir(), "qemu-system-none")
	data, err := os.ReadFile(tool(t, "bash"))
	if err == nil {
		err = os.WriteFile(busy, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), busy, "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	begun := time.Now()
	for range 10 {
		time.Sleep(100 * time.Millisecond)
		if err := pause(os.Getpid(), 200*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	used, passed := cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), time.Since(begun)
	t.Logf("%v of %v", used, passed)
	if used > passed*45/100 || used < passed/50 { // on a busy host it gets less
		t.Errorf("used %v of %v, want a third", used, passed)
	}
}
