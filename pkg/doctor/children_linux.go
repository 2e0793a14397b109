// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/supervisor"
)

// What a child does.
const (
	childNothing = "nothing"
	childInside  = "inside" // of namespaces
	childPlain   = "plain"  // without any
	childKVM     = "kvm"
)

// Child tries abilities in this process, which is started for it, and writes each as
// JSON. dir is an empty directory.
func Child(w io.Writer, what, dir string) error {
	runtime.LockOSThread()
	enc := json.NewEncoder(w)
	var errs error
	say := func(name string, err error, detail string) {
		errs = errors.Join(errs, enc.Encode(tried(name, err, detail)))
	}
	filtered := false
	if p := ReadProcess("/", os.Getenv, os.Getuid(), os.Getgid()); p.Filtered {
		filtered = true
	}
	refused := func(name, call string, err error) { say(name, refusal(call, err, filtered), "") }
	switch what {
	case childInside:
		inside(dir, refused)
	case childPlain:
		notified := func(err error) {
			a := tried(Notify, refusal("seccomp", err, filtered), "")
			if filtered && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS)) {
				a.Needs = []Change{PermitCalls}
			}
			errs = errors.Join(errs, enc.Encode(a))
		}
		plain(dir, func(name, call string, err error) { say(name, refusal(call, err, false), "") }, notified)
	case childKVM:
		detail, err := tryKVM()
		say(KVM, err, detail)
	case childNothing:
	default:
		return fmt.Errorf("unknown trial %q", what)
	}
	return errs
}

// InNamespace are the abilities of the superuser of a user namespace.
func InNamespace() []string { return slices.Clone(insideNames) }

// OfRoot are abilities that only the superuser has, outside of a user namespace.
func OfRoot() []string { return []string{Chown, Mknod, Chroot, FileCaps} }

// insideNames are what inside tries, and MapOneID before it.
var insideNames = []string{MapOneID, Mounts, Tmpfs, Bind, FreshProc, BoundProc, Overlay, MountSetattr, NewMountCalls, SetHostname, Keyctl, Setns, Binfmt, PivotRoot}

// inside tries mounts as the superuser of user, mount, PID and UTS namespaces.
func inside(dir string, say func(name, call string, err error)) {
	say(Mounts, "make mounts private", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	at := func(name string) string {
		p := within(dir, name)
		_ = os.Mkdir(p, 0o700) // the trial shows it
		return p
	}
	mem := at("tmpfs")
	memErr := unix.Mount("tmpfs", mem, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700,size=1m")
	say(Tmpfs, "mount tmpfs", memErr)
	say(Bind, "bind mount", unix.Mount(dir, at("bind"), "", unix.MS_BIND, ""))
	say(FreshProc, "mount proc", unix.Mount("proc", at("proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""))
	say(BoundProc, "bind /proc", unix.Mount("/proc", at("rproc"), "", unix.MS_BIND|unix.MS_REC, ""))
	say(Overlay, "overlay in "+dir, tryOverlay(at("overlay"), at))
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}
	attrErr := unix.MountSetattr(unix.AT_FDCWD, mem, unix.AT_RECURSIVE, &attr)
	if memErr != nil && attrErr == unix.EINVAL { // it is no mount point, and the call is permitted
		attrErr = nil
	}
	say(MountSetattr, "mount_setattr", attrErr)
	fd, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err == nil {
		unix.Close(fd)
	}
	say(NewMountCalls, "fsopen", err)
	say(SetHostname, "sethostname", unix.Sethostname([]byte("carosbuild")))
	_, err = unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) // NULL: a new one without a name
	say(Keyctl, "keyctl", err)
	if err = unix.Setns(-1, 0); err == unix.EBADF { // no filter refuses it
		err = nil
	}
	say(Setns, "setns", err)
	say(Binfmt, "mount binfmt_misc", unix.Mount("binfmt_misc", at("binfmt"), "binfmt_misc", 0, ""))
	say(PivotRoot, "pivot_root", tryPivot(mem, memErr))
}

// tryOverlay mounts an overlay whose upper directory is on the store's file system, and
// has a file copied up.
func tryOverlay(merged string, at func(string) string) error {
	lower, upper, work := at("lower"), at("upper"), at("work")
	if err := os.WriteFile(within(lower, "file"), nil, 0o600); err != nil {
		return err
	}
	err := unix.Mount("overlay", merged, "overlay", 0, "userxattr,lowerdir="+lower+",upperdir="+upper+",workdir="+work)
	if err != nil {
		return err
	}
	return bareError(os.Chmod(within(merged, "file"), 0o755))
}

// tryPivot changes the root, when all else was tried.
func tryPivot(root string, mounted error) error {
	if mounted != nil {
		return mounted
	}
	old := within(root, "old")
	if err := os.Mkdir(old, 0o700); err != nil {
		return err
	}
	return unix.PivotRoot(root, old)
}

// plain tries what needs no namespace.
func plain(dir string, say func(name, call string, err error), notified func(error)) {
	file := within(dir, "file")
	err := os.WriteFile(file, nil, 0o600)
	if err == nil {
		err = bareError(os.Lchown(file, 12345, 12345))
	}
	say(Chown, "chown", err)
	say(Mknod, "mknod", unix.Mknod(within(dir, "null"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	// vfs_cap_data of version 2: no capability at all, which is one.
	say(FileCaps, "setxattr security.capability", unix.Setxattr(file, "security.capability", append([]byte{0, 0, 0, 2}, make([]byte, 16)...), 0))
	notified(bareError(supervisor.Try()))
	say(Seccomp, "seccomp", tryFilter())
	say(Chroot, "chroot", unix.Chroot(dir)) // the last: nothing is found afterwards
}

// tryFilter gives this thread a filter that permits everything.
func tryFilter() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	code := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000}} // SECCOMP_RET_ALLOW
	prog := unix.SockFprog{Len: 1, Filter: &code[0]}
	_, _, n := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	return errno(n)
}

func errno(n syscall.Errno) error {
	if n == 0 {
		return nil
	}
	return n
}

// tryExec runs a copy of a small program from a directory.
func tryExec(dir, program string) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return nil // nothing to try with
	}
	copied := within(dir, "program")
	if err := os.WriteFile(copied, data, 0o700); err != nil {
		return err
	}
	defer os.Remove(copied)
	if err := exec.Command(copied).Run(); err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); !ended {
			return bareError(err)
		}
	}
	return nil
}
