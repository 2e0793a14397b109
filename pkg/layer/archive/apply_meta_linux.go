// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// IDMaps are the ids that exist in this user namespace.
type IDMaps struct{ uids, gids []idRange }

// idRange is the first id inside the namespace and how many there are.
type idRange struct{ first, count int64 }

// ReadIDMaps reads which ids exist here.
func ReadIDMaps() (*IDMaps, error) {
	uids, err := readIDMap("/proc/self/uid_map")
	if err != nil {
		return nil, err
	}
	gids, err := readIDMap("/proc/self/gid_map")
	return &IDMaps{uids, gids}, err
}

func readIDMap(file string) ([]idRange, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read id mapping: %w", err)
	}
	var out []idRange
	for line := range bytes.Lines(b) {
		var r idRange
		var outside int64
		if _, err := fmt.Sscan(string(line), &r.first, &outside, &r.count); err != nil {
			return nil, fmt.Errorf("read id mapping %s: %w", file, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func mapped(ranges []idRange, id int) bool {
	return slices.ContainsFunc(ranges, func(r idRange) bool {
		return int64(id) >= r.first && int64(id) < r.first+r.count
	})
}

// check refuses a member whose owner does not exist in the namespace.
func (m *IDMaps) check(h *tar.Header) error {
	if m == nil {
		return nil
	}
	if !mapped(m.uids, h.Uid) {
		return fmt.Errorf("user id %d is not among the ids of this user namespace %s; give the account more in /etc/subuid", h.Uid, m.uids)
	}
	if !mapped(m.gids, h.Gid) {
		return fmt.Errorf("group id %d is not among the ids of this user namespace %s; give the account more in /etc/subgid", h.Gid, m.gids)
	}
	return nil
}

// String is a range as "0-65535".
func (r idRange) String() string { return fmt.Sprintf("%d-%d", r.first, r.first+r.count-1) }

// setMeta gives a file its owner, mode, extended attributes and time. The
// last part of the name is followed only where it is one of /proc/self/fd.
func (x *extractor) setMeta(file string, follow bool, h *tar.Header) error {
	flags := unix.AT_SYMLINK_NOFOLLOW
	if follow {
		flags = 0
	}
	if x.IDs != nil && (h.Uid != 0 || h.Gid != 0) {
		if err := unix.Fchownat(unix.AT_FDCWD, file, h.Uid, h.Gid, flags); err != nil {
			return fmt.Errorf("set owner %d:%d: %w", h.Uid, h.Gid, err)
		}
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := unix.Chmod(file, uint32(h.Mode&0o7777)); err != nil {
			return fmt.Errorf("set mode %o: %w", h.Mode&0o7777, err)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if attr, ok := strings.CutPrefix(k, PAXXattr); ok {
			if err := x.setXattr(file, follow, attr, h.PAXRecords[k]); err != nil {
				return fmt.Errorf("set extended attribute %q: %w", attr, err)
			}
		}
	}
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: h.ModTime.Unix(), Nsec: int64(h.ModTime.Nanosecond())}}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, file, ts, flags); err != nil {
		return fmt.Errorf("set time: %w", err)
	}
	return nil
}

// setXattr sets an attribute. Attributes that a user namespace cannot set
// (SELinux labels, trusted.*) stay in the tar stream alone; capabilities must
// be set.
func (x *extractor) setXattr(file string, follow bool, attr, value string) error {
	if PrivateXattr(attr) {
		return nil
	}
	set := unix.Lsetxattr
	if follow {
		set = unix.Setxattr
	}
	err := set(file, attr, []byte(value), 0)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EACCES) {
		if attr != "security.capability" || x.IDs == nil {
			return nil
		}
	}
	return err
}

// finishDirs gives directories their metadata, deepest first, when nothing
// more is made in them.
func (x *extractor) finishDirs() error {
	x.forgetParent()
	if err := x.hideLowerRoot(); err != nil {
		return err
	}
	if x.dirs[""] == nil {
		if err := x.implicit("", nil); err != nil {
			return err
		}
	}
	for _, rel := range slices.Backward(slices.Sorted(maps.Keys(x.dirs))) {
		h := x.dirs[rel]
		err := x.IDs.check(h)
		if err == nil {
			err = x.finishDir(rel, h)
		}
		if err != nil {
			return fmt.Errorf("directory %q: %w", rel, err)
		}
	}
	return nil
}

func (x *extractor) finishDir(rel string, h *tar.Header) error {
	fd, err := openBeneath(x.Root, rel, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return x.setMeta(fdPath(fd), true, h)
}

// hideLowerRoot does what an opaque marker in the root directory asks for:
// overlay does not look for one there.
func (x *extractor) hideLowerRoot() error {
	if !x.hideAll {
		return nil
	}
	for _, low := range x.Lowers {
		names, err := os.ReadDir(low)
		if err != nil {
			return err
		}
		for _, n := range names {
			err := makeWhiteout(x.rootf, n.Name(), x.Prefix)
			if err == unix.EEXIST {
				var st unix.Stat_t
				if err = unix.Fstatat(x.rootf, n.Name(), &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
					err = x.setOpaque(n.Name())
				}
			}
			if err != nil {
				return fmt.Errorf("hide %q: %w", n.Name(), err)
			}
		}
	}
	return nil
}

func mtime(st *unix.Stat_t) time.Time { return time.Unix(int64(st.Mtim.Sec), int64(st.Mtim.Nsec)) }
