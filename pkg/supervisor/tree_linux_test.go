// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/owner/record"
	"github.com/carosio/carosbuild/pkg/runc"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/userns"

	"golang.org/x/sys/unix"
)

// The programs that make a root, run a script in it and list it, each in two ways: with
// records, and with real ids.
func init() {
	programs["untar"] = func(a []string) error {
		return withRecords(a[0], a[1], func(t *record.Table) error { return untar(a[1], a[2], t) })
	}
	programs["real-untar"] = func(a []string) error { return untar(a[1], a[2], nil) }
	programs["list"] = func(a []string) error {
		return withRecords(a[0], a[1], func(t *record.Table) error { return list(os.Stdout, a[1], t) })
	}
	programs["real-list"] = func(a []string) error { return list(os.Stdout, a[1], nil) }
	programs["run"] = func(a []string) error { return runScript(&Sandbox{State: a[0]}, a[1], a[2], a[3]) }
	programs["real-run"] = func(a []string) error {
		scratch := filepath.Join(a[0], "scratch")
		if err := userns.MountScratch(scratch); err != nil {
			return err
		}
		rt, err := runc.FindRuntime("runc", scratch)
		if err != nil {
			return err
		}
		return runScript(rt, a[1], a[2], a[3])
	}
	programs["ranges"] = func(a []string) error { // runs another program with real ids
		u, err := user.Current()
		if err != nil {
			return err
		}
		status, err := userns.Enter(context.Background(), userns.Entry{
			Account: userns.Account{UID: os.Getuid(), GID: os.Getgid(), Name: u.Username}, Args: append([]string{"test"}, a...),
			Env: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr,
		})
		if err == nil && status != 0 {
			err = fmt.Errorf("status %d", status)
		}
		return err
	}
	programs["remove"] = func(a []string) error { return os.RemoveAll(a[0]) }
}

type runner interface {
	Run(ctx context.Context, c sandbox.Command) (int, error)
}

// runScript runs a script in a file as a step, with the host's network for "host".
func runScript(r runner, root, network, file string) error {
	script, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	resolver, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return err
	}
	p, err := sandbox.Plant(root, nil, resolver)
	if err != nil {
		return err
	}
	c := shell(root, string(script))
	c.Network = sandbox.Network(network)
	c.Env = append(c.Env, "DEBIAN_FRONTEND=noninteractive")
	c.Stdout, c.Stderr = os.Stdout, os.Stdout
	status, err := r.Run(context.Background(), c)
	if err == nil && status != 0 {
		err = fmt.Errorf("status %d", status)
	}
	return errors.Join(err, p.Remove(root, func(name string) error {
		if err := os.Remove(filepath.Join(root, name)); !errors.Is(err, unix.ENOTEMPTY) {
			return err
		}
		return nil
	}))
}

func withRecords(state, root string, f func(t *record.Table) error) error {
	t, err := (&Sandbox{State: state}).Records(root)
	if err != nil {
		return err
	}
	return errors.Join(f(t), t.Close())
}

// untar makes a root from a tar file; t is nil with real ids.
func untar(root, file string, t *record.Table) error {
	unix.Umask(0)
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	r := tar.NewReader(bufio.NewReaderSize(f, 1<<20))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if name == "dev" || strings.HasPrefix(name, "dev/") {
			continue
		}
		if err := member(filepath.Join(root, name), root, h, r, t); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

func member(name, root string, h *tar.Header, r io.Reader, t *record.Table) error {
	mode := uint32(h.Mode) & 0o7777
	switch h.Typeflag {
	case tar.TypeLink:
		return os.Link(filepath.Join(root, h.Linkname), name)
	case tar.TypeSymlink:
		if err := os.Symlink(h.Linkname, name); err != nil {
			return err
		}
	case tar.TypeDir:
		if err := unix.Mkdir(name, mode); err != nil && err != unix.EEXIST {
			return err
		}
	default:
		f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		if _, err := io.Copy(f, r); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	if err := own(name, h, t); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := unix.Chmod(name, mode); err != nil {
			return err
		}
	}
	ts := []unix.Timespec{unix.NsecToTimespec(h.ModTime.UnixNano()), unix.NsecToTimespec(h.ModTime.UnixNano())}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, name, ts, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	for k, v := range h.PAXRecords {
		if attr, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok {
			if err := unix.Lsetxattr(name, attr, []byte(v), 0); err != nil {
				return fmt.Errorf("%s: %w", attr, err)
			}
		}
	}
	return nil
}

func own(name string, h *tar.Header, t *record.Table) error {
	if t == nil {
		return unix.Lchown(name, h.Uid, h.Gid)
	}
	fd, err := unix.Open(name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	o, _ := record.OfHeader(h)
	return t.Write(fd, o)
}

// list writes a line for each file of a root: path, mode, owner, device, attributes,
// target of a link, number of links, digest.
func list(w io.Writer, root string, t *record.Table) error {
	return filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		info, st, err := look(name, t)
		if err != nil {
			return err
		}
		rest := ""
		switch info.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			if rest, err = os.Readlink(name); err != nil {
				return err
			}
		case unix.S_IFREG:
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(data)
			rest = fmt.Sprint(st.Nlink, " ", hex.EncodeToString(sum[:8]))
		}
		var attrs []string
		for _, k := range slices.Sorted(maps.Keys(info.Xattrs)) {
			attrs = append(attrs, fmt.Sprintf("%s=%x", k, info.Xattrs[k]))
		}
		_, err = fmt.Fprintf(w, "%s %o %d:%d %s%d,%d %v %s\n", rel, info.Mode, info.UID, info.GID, info.Kind, info.Major, info.Minor, attrs, rest)
		return err
	})
}

func look(name string, t *record.Table) (record.Info, unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return record.Info{}, st, err
	}
	if t != nil {
		info, err := t.Stat(unix.AT_FDCWD, name)
		return info, st, err
	}
	info := record.Info{Mode: st.Mode, Owner: record.Owner{UID: st.Uid, GID: st.Gid}}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK:
		info.Kind = map[bool]string{true: record.Char, false: record.Block}[st.Mode&unix.S_IFMT == unix.S_IFCHR]
		info.Major, info.Minor = unix.Major(st.Rdev), unix.Minor(st.Rdev)
	}
	names, err := record.List(name, true)
	if err != nil {
		return info, st, err
	}
	for _, n := range names {
		v := make([]byte, 4096)
		size, err := unix.Lgetxattr(name, n, v)
		if err != nil {
			return info, st, err
		}
		if info.Xattrs == nil {
			info.Xattrs = map[string][]byte{}
		}
		info.Xattrs[n] = v[:size]
	}
	return info, st, nil
}
