// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/carosio/carosbuild/pkg/vm/wire"
	"golang.org/x/sys/unix"
)

// become turns this process, the first in its namespaces, into the command.
func become() {
	runtime.LockOSThread() // capabilities and filters apply to a thread
	report := os.NewFile(reportFD, "report")
	unix.CloseOnExec(reportFD)
	err := tryBecome(report)
	_, _ = report.WriteString(err.Error())
	os.Exit(1)
}

func tryBecome(report *os.File) error {
	var r wire.Request
	f := os.NewFile(requestFD, "request")
	if err := json.NewDecoder(f).Decode(&r); err != nil {
		return err
	}
	f.Close()
	if err := enter(&r); err != nil {
		return err
	}
	if r.Terminal {
		if err := terminal(report, &r); err != nil {
			return fmt.Errorf("terminal: %w", err)
		}
	}
	if err := confine(); err != nil {
		return err
	}
	groups := make([]int, len(r.Groups))
	for i, g := range r.Groups {
		groups[i] = int(g)
	}
	if err := errors.Join(syscall.Setgroups(groups), syscall.Setresgid(int(r.GID), int(r.GID), int(r.GID)), syscall.Setresuid(int(r.UID), int(r.UID), int(r.UID))); err != nil {
		return fmt.Errorf("become user %d:%d: %w", r.UID, r.GID, err)
	}
	if err := os.Chdir(r.Cwd); err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	unix.Umask(0o022)
	if len(r.Args) == 0 {
		return errors.New("there is no command")
	}
	program, err := find(r.Args[0], r.Env)
	if err != nil {
		return err
	}
	if err := unix.Exec(program, r.Args, r.Env); err != nil {
		return fmt.Errorf("exec %s: %w", program, err)
	}
	return nil
}

// find looks up a program in the PATH of an environment.
func find(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, kv := range env {
		dirs, ok := strings.CutPrefix(kv, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(dirs) {
			full := filepath.Join("/", dir, name)
			if st, err := os.Stat(full); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				return full, nil
			}
		}
	}
	return "", fmt.Errorf("exec %s: %w", name, fs.ErrNotExist)
}

// enter mounts the command's file systems and makes the disk its root.
func enter(r *wire.Request) error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return err
	}
	root, err := unix.Open(rootDir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	for _, m := range kernelMounts() {
		if err := m.mount(root); err != nil {
			return err
		}
	}
	if err := devices(rootDir + "/dev"); err != nil {
		return err
	}
	for _, m := range r.Mounts {
		if err := bind(root, m); err != nil {
			return fmt.Errorf("mount on %s: %w", m.Target, err)
		}
	}
	hide(rootDir)
	if err := unix.Chdir(rootDir); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return err
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return unix.Chdir("/")
}
