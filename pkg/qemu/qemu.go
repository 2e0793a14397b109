// SPDX-License-Identifier: MPL-2.0

// Package qemu boots disk images in virtual machines: it determines the machine
// that a disk is for, plans its command line, and runs it with a view of the serial
// console. The image is never written. The package knows neither declarations nor
// how images are made.
package qemu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Disk is the image that a machine boots.
type Disk struct {
	Path   string
	Format string // QEMU's name: raw, vmdk, qcow2, vpc or vhdx
	// Offset and Length locate the image in the file if it is only a part of the
	// file, as in an OVA; Length 0 means the whole file.
	Offset, Length int64
}

// MissingError says that the host lacks a program or file.
type MissingError struct{ What, Package string }

func (e *MissingError) Error() string { return e.What + " is not installed" }

// Session is a run of a machine.
type Session struct {
	Machine Machine
	Disk    Disk
	Disc    *Disk  // disc in the CD drive, if the machine's facts have one
	More    []Disk // further disks, as many as the machine's facts have
	Dir     string // for the overlay and other files; emptied by the caller
	Accel   string // see Accelerator
	Stdin   io.Reader
	Console io.Writer // gets the guest's output on the serial port
	// Terminal connects QEMU directly to standard input and output.
	Terminal bool

	started func(pid int) // may be nil
}

// Run starts the machine and waits until it ends by itself or until ctx ends, which
// is not an error. QEMU is killed when this process dies.
func (s Session) Run(ctx context.Context) error {
	args, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program(s.Machine.Program), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Stdin, s.Console, &errs
	cmd.WaitDelay = 2 * time.Second
	defer dieTogether(cmd, !s.Terminal)()
	err = cmd.Start()
	if err == nil {
		if s.started != nil {
			s.started(cmd.Process.Pid)
		}
		err = cmd.Wait()
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: %w%s", s.Machine.Program, err, tail(errs.String()))
	}
	return nil
}

func tail(s string) string {
	if s = strings.TrimSpace(s); s != "" {
		return ": " + s
	}
	return ""
}

// prepare makes the overlay and the firmware's variables, and returns QEMU's
// arguments.
func (s Session) prepare(ctx context.Context) ([]string, error) {
	if program(s.Machine.Program) == "" {
		return nil, &MissingError{s.Machine.Program, s.Machine.Package}
	}
	vars := filepath.Join(s.Dir, "vars.fd")
	if f := s.Machine.Firmware; f != nil {
		if _, err := os.Stat(f.Code); err != nil {
			return nil, &MissingError{f.Code, f.Package}
		}
		data, err := os.ReadFile(f.Vars)
		if err != nil {
			return nil, &MissingError{f.Vars, f.Package}
		}
		if err := os.WriteFile(vars, data, 0o600); err != nil {
			return nil, err
		}
	}
	overlays, err := s.overlays(ctx)
	if err != nil {
		return nil, err
	}
	return s.Machine.Arguments(overlays, vars, s.Accel, s.Terminal), nil
}

// overlays makes the files to which the guest's writes go, one for each drive, in
// the order of Machine.drives.
func (s Session) overlays(ctx context.Context) ([]string, error) {
	all := []Disk{s.Disk}
	if s.Disc != nil {
		all = append(all, *s.Disc)
	}
	all = append(all, s.More...)
	if len(all) != len(s.Machine.drives) {
		return nil, fmt.Errorf("%d images for a machine with %d drives", len(all), len(s.Machine.drives))
	}
	var overlays []string
	size := s.Machine.DiskSize
	for i, d := range all {
		path := filepath.Join(s.Dir, fmt.Sprintf("overlay%d.qcow2", i))
		if err := d.overlay(ctx, path, size); err != nil {
			return nil, err
		}
		overlays, size = append(overlays, path), 0
	}
	return overlays, nil
}

// overlay makes the file to which the guest's writes to a disk go; with size 0, its
// size is that of the disk.
func (d Disk) overlay(ctx context.Context, path string, size int64) error {
	img := program("qemu-img")
	if img == "" {
		return &MissingError{"qemu-img", "qemu-utils"}
	}
	backing, err := d.backing()
	if err != nil {
		return err
	}
	args := []string{"create", "-q", "-f", "qcow2", "-F", d.Format, "-b", backing, path}
	if size > 0 {
		args = append(args, strconv.FormatInt(size, 10))
	}
	out, err := exec.CommandContext(ctx, img, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("qemu-img create: %w%s", err, tail(string(out)))
	}
	return nil
}

// backing names the image so that no character of its name has a meaning for QEMU.
func (d Disk) backing() (string, error) {
	path, err := filepath.Abs(d.Path)
	if err != nil {
		return "", err
	}
	type file map[string]any
	inner := file{"driver": "file", "filename": path}
	if d.Length > 0 {
		inner = file{"driver": "raw", "offset": d.Offset, "size": d.Length, "file": inner}
	}
	b, err := json.Marshal(file{"driver": d.Format, "file": inner})
	return "json:" + string(b), err
}

// program is the path of a program, also in directories that are not in an ordinary
// user's PATH; "" means that it was not found.
func program(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p
		}
	}
	return ""
}

// IsMissing reports whether the host lacks a program or file, and which.
func IsMissing(err error) (*MissingError, bool) {
	var m *MissingError
	return m, errors.As(err, &m)
}
