// SPDX-License-Identifier: MPL-2.0

package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/remedy"
)

// Setting is what a network for steps depends on.
type Setting struct {
	// Dir is a directory that lives as long as the process, in the process's own mount namespace.
	Dir string
	// Runtime is /run/user/UID, where AppArmor's profile of pasta permits namespaces; it
	// need not exist.
	Runtime string
	// Resolver is the host's /etc/resolv.conf.
	Resolver []byte
	// Servers are addresses of proxies and mirrors that steps use.
	Servers []string
}

// Closed is a network namespace with pasta. Several steps use it at a time.
type Closed struct {
	NetNS    string // file of the namespace
	Resolver []byte // /etc/resolv.conf for its processes

	process *os.Process
	ended   chan struct{}
	undo    []func() error // in the order of the actions
}

// tun is the device that pasta opens.
const tun = "/dev/net/tun"

// Open makes a network namespace and connects it. The caller is the superuser of its own user
// and mount namespace. An error that is not ctx's says what the host lacks.
func Open(ctx context.Context, s Setting) (_ *Closed, err error) {
	path, err := look()
	if err != nil {
		return nil, err
	}
	p := pasta{pidFile: filepath.Join(s.Dir, "pasta.pid")}
	if p.ports, err = loopbackPorts(s.Servers); err != nil {
		return nil, err
	}
	c := &Closed{ended: make(chan struct{})}
	if c.Resolver, p.forward, err = resolverOf(s.Resolver); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.NetNS, err = c.namespace(s); err != nil {
		return nil, err
	}
	p.namespace = c.NetNS
	if err := os.Remove(p.pidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err = c.start(ctx, path, p); err == nil {
		err = c.keepLoopback()
	}
	return c, err
}

// look finds pasta, and checks that it can open its device.
func look() (path string, err error) {
	if path, err = exec.LookPath("pasta"); err != nil {
		return "", &remedy.Error{Tried: "pasta is not installed", Cure: "as an administrator: apt-get install passt"}
	}
	fd, err := unix.Open(tun, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case err == nil:
		return path, unix.Close(fd)
	case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		return "", &remedy.Error{Tried: "pasta cannot open " + tun, Err: err, Cure: "as an administrator: chmod 666 " + tun + "; in a container: start it with --device " + tun}
	}
	return "", &remedy.Error{Tried: "pasta cannot open " + tun, Err: err, Cure: "as an administrator: modprobe tun; in a container: start it with --device " + tun}
}

// namespace makes a network namespace, and a file that keeps it.
func (c *Closed) namespace(s Setting) (file string, err error) {
	dir, err := c.place(s)
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "carosbuild")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return "", err
	}
	c.undo = append(c.undo, func() error { return os.Remove(file) })
	inThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("make a network namespace: %w", err)
			return
		}
		if err = unix.Mount("/proc/thread-self/ns/net", file, "", unix.MS_BIND, ""); err != nil {
			err = fmt.Errorf("keep a network namespace: %w", err)
		}
	})
	if err != nil {
		return "", err
	}
	c.undo = append(c.undo, func() error { return unix.Unmount(file, unix.MNT_DETACH) })
	return file, nil
}

// place returns a directory for the namespace's file: preferably podman's, over which it
// mounts one that only this process sees.
func (c *Closed) place(s Setting) (string, error) {
	if s.Runtime != "" {
		dir := filepath.Join(s.Runtime, "netns")
		if err := os.Mkdir(dir, 0o700); err == nil || errors.Is(err, fs.ErrExist) {
			if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=700"); err == nil {
				c.undo = append(c.undo, func() error { return unix.Unmount(dir, unix.MNT_DETACH) })
				return dir, nil
			}
		}
	}
	dir := filepath.Join(s.Dir, "netns")
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return dir, nil
}

// inThread runs f in a thread that ends with f and is not the main thread: changes that f
// makes to the thread cannot be undone.
func inThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			inThread(f)
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}

// startTime is how long pasta may take to start.
const startTime = 20 * time.Second

// start starts pasta, which dies with this process, and waits until it is ready.
func (c *Closed) start(ctx context.Context, path string, p pasta) error {
	var out bytes.Buffer
	cmd := exec.Command(path, p.arguments()...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go func() {
		defer close(c.ended)
		runtime.LockOSThread() // the death signal follows the thread that started the child
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // Close kills it
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start pasta: %w", err)
	}
	c.process = cmd.Process
	late := time.NewTimer(startTime)
	defer late.Stop()
	for {
		if b, err := os.ReadFile(p.pidFile); err == nil && bytes.HasSuffix(b, []byte("\n")) {
			return nil
		}
		select {
		case <-c.ended:
			return &remedy.Error{Tried: "start pasta: " + reason(out.String())}
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("pasta has not started after %s", startTime)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// Lives reports whether pasta still runs.
func (c *Closed) Lives() bool {
	select {
	case <-c.ended:
		return false
	default:
		return c.process != nil
	}
}

// Close ends pasta and releases the namespace. It is idempotent.
func (c *Closed) Close() error {
	var errs error
	if c.process != nil {
		if err := c.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = fmt.Errorf("end pasta: %w", err)
		} else {
			<-c.ended
		}
		c.process = nil
	}
	for len(c.undo) > 0 {
		last := c.undo[len(c.undo)-1]
		c.undo = c.undo[:len(c.undo)-1]
		errs = errors.Join(errs, last())
	}
	return errs
}

// oneLine is an error with its remedy on one line.
func oneLine(err error) string {
	host, ok := errors.AsType[*remedy.Error](err)
	if !ok {
		return strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	text := host.Tried
	if host.Err != nil {
		text += ": " + host.Err.Error()
	}
	if host.Cure != "" {
		text += " (remedy: " + host.Cure + ")"
	}
	return text
}
