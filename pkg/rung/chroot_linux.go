// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/chroot"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/userns"
)

// changeRoot is the rung for the superuser of a container without namespaces and mounts: real
// owners, chroot(2), and copies instead of mounts.
func changeRoot() Rung {
	look := func(_ context.Context, h Host) error { return tryChroot(h.Store) }
	return Rung{
		Name: "chroot", Cost: "with real owners, copies instead of mounts, and less isolation: no /proc, and the container's processes and network",
		How: userns.Plain, Look: look, Try: look, Snapshots: []snapshot.Kind{snapshot.Copy},
		Open: func(_ context.Context, s Setting) (*Room, error) {
			scratch, release, err := plainScratch(s.Dir)
			if err != nil {
				return nil, err
			}
			trials := filepath.Join(scratch, "runtime")
			if err := os.Mkdir(trials, 0o700); err != nil {
				return nil, errors.Join(err, release())
			}
			return &Room{Scratch: scratch, Sandbox: chroot.New(trials, ""), What: "chroot", close: []func() error{release}}, nil
		},
	}
}

// tryChroot changes owner and attributes of a file and the root of a process, in the directory
// where steps will do so.
func tryChroot(parent string) (err error) {
	if os.Geteuid() != 0 {
		return &remedy.Error{Tried: "change the root directory: only the superuser can", Cure: "in a container: run as root (runAsUser: 0), with the default capabilities"}
	}
	if err := tryPlace(parent); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(parent, ".carosbuild-chroot-")
	if err != nil {
		return fmt.Errorf("try chroot: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, try := range []struct {
		what, capability string
		do               func() error
	}{
		{"make a device node, which programs need in /dev", "MKNOD", func() error { return makeNode(filepath.Join(dir, "null")) }},
		{"give a file to another user", "CHOWN", func() error { return os.Chown(dir, 1, 1) }},
		{"write to a directory of another user", "DAC_OVERRIDE", func() error { return os.Mkdir(filepath.Join(dir, "d"), 0o700) }},
		{"change the mode of another user's directory", "FOWNER", func() error { return os.Chmod(dir, 0o755) }},
		{"change the root directory and the user", "SYS_CHROOT, SETUID and SETGID", func() error { return changedRoot(dir) }},
	} {
		if err := try.do(); err != nil {
			return &remedy.Error{Tried: try.what, Err: err, Cure: "in a container: keep the default capabilities; it lacks " + try.capability + " (capabilities: drop, --cap-drop)"}
		}
	}
	return nil
}

// makeNode makes the null device, and opens it: a mount may make devices unusable.
func makeNode(name string) error {
	if err := unix.Mknod(name, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// changedRoot starts a program with a different root and user, up to its execution: there is
// no such program.
func changedRoot(dir string) error {
	// Until it executes a program, the child shares this process's memory, and a change of its
	// user makes this process unreadable for others: the inner program looks at its parent.
	if was, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err == nil {
		defer func() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(was), 0, 0, 0) }()
	}
	cmd := exec.Command("/nothing")
	cmd.Path, cmd.Err = "/nothing", nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: 1, Gid: 1, Groups: []uint32{1}}}
	if err := cmd.Run(); !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}
