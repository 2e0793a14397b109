// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/remedy"
	"golang.org/x/sys/unix"
)

// Private makes dir if it is missing, and makes it inaccessible to other accounts: it will hold
// files that steps have made, including set-user-ID programs, which belong to the caller on the
// host. A directory of another account is refused, and so is one below it, because its owner
// can replace the contents. Errors are remedy.Errors.
func Private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &remedy.Error{Tried: "make a directory for carosbuild's files", Err: err, Cure: privateCure}
	}
	if err := checkAncestors(dir); err != nil {
		return err
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &remedy.Error{Tried: "open " + dir, Err: err, Cure: privateCure}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &remedy.Error{Tried: "check " + dir, Err: err}
	}
	if int(st.Uid) != os.Geteuid() {
		return &remedy.Error{Tried: fmt.Sprintf("%s belongs to another account (uid %d), which could replace files in it", dir, st.Uid), Cure: privateCure}
	}
	if st.Mode&0o077 == 0 {
		return nil
	}
	if err := unix.Fchmod(fd, st.Mode&0o7700); err != nil {
		return &remedy.Error{Tried: "keep other accounts out of " + dir, Err: err, Cure: privateCure}
	}
	return nil
}

// checkAncestors refuses a directory that another account, except the superuser, could replace,
// whatever links its path contains. In a user namespace, owners from outside have no number.
func checkAncestors(dir string) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return &remedy.Error{Tried: "check " + dir, Err: err}
	}
	for _, start := range []string{filepath.Clean(dir), real} {
		for at := filepath.Dir(start); ; at = filepath.Dir(at) {
			var st unix.Stat_t
			if err := unix.Lstat(at, &st); err != nil {
				return &remedy.Error{Tried: "check " + at, Err: err}
			}
			if owner := int(st.Uid); owner != 0 && owner != os.Geteuid() && owner != overflowID {
				return &remedy.Error{Tried: fmt.Sprintf("%s is in %s, which belongs to another account (uid %d)", dir, at, owner), Cure: privateCure}
			}
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	return nil
}

// overflowID is shown for owners without a number.
const overflowID = 65534

const privateCure = "set HOME, or XDG_CACHE_HOME, XDG_STATE_HOME and XDG_DATA_HOME, to folders that you own, on a file system that keeps owners and modes"

// Confine makes dir a mount of its own in this namespace, on which set-user-ID programs and
// device nodes have no effect. Steps are not affected: they have their own mounts.
func Confine(dir string) error {
	// Recursive: otherwise the kernel refuses because of inherited mounts below dir.
	if err := unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s on itself: %w", dir, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	err := unix.MountSetattr(unix.AT_FDCWD, dir, unix.AT_RECURSIVE, &attr)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // before Linux 5.12, or a filter refuses it
		err = unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, "")
	}
	if err != nil {
		return errors.Join(fmt.Errorf("confine %s: %w", dir, err), unix.Unmount(dir, unix.MNT_DETACH))
	}
	return nil
}
