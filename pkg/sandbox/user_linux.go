// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxAccountFile bounds how much of a step's passwd or group file is read.
const maxAccountFile = 1 << 20

// LookupUser resolves NAME, UID, NAME:GROUP or UID:GID, as in a USER instruction, against the
// accounts in the step's root. The empty string is root. Files are read only inside root, and
// up to 1 MiB.
func LookupUser(root, spec string) (User, error) {
	u := User{Home: "/root"}
	if spec == "" || spec == "root" || spec == "0" {
		return u, nil
	}
	name, group, hasGroup := strings.Cut(spec, ":")
	passwd, err := readIn(root, "etc/passwd")
	if err != nil {
		return u, err
	}
	groups, err := readIn(root, "etc/group")
	if err != nil {
		return u, err
	}
	account := find(passwd, 7, func(f []string) bool { return f[0] == name || f[2] == name })
	switch {
	case account != nil:
		if u.UID, err = id(account[2]); err != nil {
			return u, fmt.Errorf("user %s: %w", name, err)
		}
		if u.GID, err = id(account[3]); err != nil {
			return u, fmt.Errorf("user %s: %w", name, err)
		}
		u.Home = account[5]
	default:
		if u.UID, err = id(name); err != nil {
			return u, fmt.Errorf("no user %q in the stage's /etc/passwd", name)
		}
		u.GID, u.Home = 0, "/"
	}
	if hasGroup {
		if g := find(groups, 4, func(f []string) bool { return f[0] == group || f[2] == group }); g != nil {
			group = g[2]
		}
		if u.GID, err = id(group); err != nil {
			return u, fmt.Errorf("no group %q in the stage's /etc/group", group)
		}
		return u, nil
	}
	if account != nil {
		find(groups, 4, func(f []string) bool {
			if slices.Contains(strings.Split(f[3], ","), account[0]) {
				if g, err := id(f[2]); err == nil && g != u.GID {
					u.Groups = append(u.Groups, g)
				}
			}
			return false
		})
	}
	return u, nil
}

func id(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return uint32(n), err
}

// find returns the first line of n colon-separated fields that ok accepts.
func find(data string, n int, ok func([]string) bool) []string {
	sc := bufio.NewScanner(strings.NewReader(data))
	for sc.Scan() {
		if f := strings.Split(sc.Text(), ":"); len(f) == n && ok(f) {
			return f
		}
	}
	return nil
}

// readIn reads a file of the root; a missing one is empty.
func readIn(root, name string) (string, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open root: %w", err)
	}
	defer unix.Close(dir)
	fd, err := openIn(dir, name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err == unix.ENOENT {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read /%s of the stage: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() || st.Size() > maxAccountFile {
		return "", fmt.Errorf("/%s of the stage is not a regular file of at most %d bytes", name, maxAccountFile)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxAccountFile))
	if err != nil {
		return "", fmt.Errorf("read /%s of the stage: %w", name, err)
	}
	return string(b), nil
}
