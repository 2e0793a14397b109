// SPDX-License-Identifier: MPL-2.0

package chroot

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// openIn opens name below root. Links are resolved as if root were "/".
func openIn(root int, name string, flags int) (int, error) {
	return unix.Openat2(root, name, &unix.OpenHow{
		Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}

// makeCwd makes the missing directories of a path, as OCI runtimes do.
func makeCwd(root int, name string) error {
	fd, err := openIn(root, name, unix.O_PATH|unix.O_DIRECTORY)
	if err == nil {
		return unix.Close(fd)
	}
	name = path.Clean("/" + name)
	if err != unix.ENOENT || name == "/" {
		return err
	}
	if err := makeCwd(root, path.Dir(name)); err != nil {
		return err
	}
	dir, err := openIn(root, path.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return unix.Mkdirat(dir, path.Base(name), 0o755)
}

// lookPath returns the program of a command, an absolute path in the root: a name without a
// slash is looked up in the command's PATH.
func lookPath(root int, args, env []string, cwd string) (string, error) {
	if len(args) == 0 || args[0] == "" {
		return "", errors.New("no command")
	}
	name := args[0]
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = path.Join("/", cwd, name)
		}
		return name, executable(root, name)
	}
	for _, kv := range env {
		dirs, ok := strings.CutPrefix(kv, "PATH=")
		for dir := range strings.SplitSeq(dirs, ":") {
			at := path.Join("/", cwd, dir, name)
			if path.IsAbs(dir) {
				at = path.Join(dir, name)
			}
			if ok && executable(root, at) == nil {
				return at, nil
			}
		}
	}
	return "", fmt.Errorf("%s: executable file not found in $PATH", name)
}

func executable(root int, name string) error {
	fd, err := openIn(root, name, unix.O_PATH)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
		return fmt.Errorf("%s: %w", name, unix.EACCES)
	}
	return nil
}
