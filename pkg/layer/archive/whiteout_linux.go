// SPDX-License-Identifier: MPL-2.0

package archive

import "golang.org/x/sys/unix"

// A whiteout in the directory of a layer is a character device 0/0, as in overlay. Where
// that cannot be made, for example on an overlay mount, it is an empty file with overlay's
// attribute "whiteout", which overlay understands, too (xwhiteouts, Linux 6.7).

// makeWhiteout makes a whiteout. The error is EEXIST if the name exists.
func makeWhiteout(dir int, name, prefix string) error {
	err := unix.Mknodat(dir, name, unix.S_IFCHR, 0)
	if err != unix.EPERM {
		return err
	}
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600) // attributes can be set by those who may write
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fsetxattr(fd, prefix+"whiteout", []byte("y"), 0)
}

// TryMarks tries whether an empty directory can hold whiteouts and opaque directories.
func TryMarks(dir int, prefix string) error {
	if err := makeWhiteout(dir, "whiteout", prefix); err != nil {
		return err
	}
	return unix.Setxattr(fdPath(dir), prefix+"opaque", []byte("y"), 0)
}

// StatAt stats a name in the directory of a layer, without following a link. Any kind of
// whiteout is reported as a character device 0/0.
func StatAt(dir int, name string, f Format) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err != nil || isWhiteout(&st):
		return st, err
	case maybeWhiteout(&st) && hasMark(fdPath(dir)+"/"+name, f.Prefix+"whiteout"):
		st.Mode, st.Rdev = unix.S_IFCHR, 0
		return st, nil
	case f.Owners == nil:
		return st, nil
	}
	return f.Owners.Stat(dir, name)
}

// statFD is StatAt for an open file.
func statFD(fd int, prefix string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	if err == nil && maybeWhiteout(&st) && hasMark(fdPath(fd), prefix+"whiteout") {
		st.Mode, st.Rdev = unix.S_IFCHR, 0
	}
	return st, err
}

func maybeWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0
}

func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

func isOpaque(fd int, prefix string) bool { return hasMark(fdPath(fd), prefix+"opaque") }

// hasMark reports whether an attribute of a file is "y".
func hasMark(file, attr string) bool {
	var v [2]byte
	n, err := unix.Getxattr(file, attr, v[:])
	return err == nil && string(v[:n]) == "y"
}
