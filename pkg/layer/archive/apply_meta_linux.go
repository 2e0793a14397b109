// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner"
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

// AllIDs are all possible ids, for recorded owners.
func AllIDs() *IDMaps {
	all := []idRange{{0, 1<<32 - 1}}
	return &IDMaps{all, all}
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

// check refuses a member whose owner is not mapped in the namespace.
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

// setMeta sets owner, mode, extended attributes and time of a file in an open directory;
// name "" is dir itself. Attributes that a user namespace cannot set (SELinux labels,
// trusted.*) are only in the tar stream; capabilities must be set.
func (x *extractor) setMeta(dir int, name string, kind uint32, h *tar.Header) error {
	m := owner.Meta{
		UID: h.Uid, GID: h.Gid, Mode: kind | uint32(h.Mode&0o7777), Fresh: true,
		Times:    []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: h.ModTime.Unix(), Nsec: int64(h.ModTime.Nanosecond())}},
		Optional: func(attr string) bool { return attr != "security.capability" || x.IDs == nil },
	}
	for k, v := range h.PAXRecords {
		if attr, ok := strings.CutPrefix(k, PAXXattr); ok && !PrivateXattr(attr) {
			if m.Xattrs == nil {
				m.Xattrs = map[string][]byte{}
			}
			m.Xattrs[attr] = []byte(v)
		}
	}
	return x.Format.owners().Set(dir, name, m)
}

// finishDirs sets the metadata of directories, deepest first, once nothing more is
// created in them.
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
	return x.setMeta(fd, "", unix.S_IFDIR, h)
}

// hideLowerRoot hides all names of the lower root for an opaque marker in the root
// directory, where overlay does not look for one.
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
			err := makeWhiteout(x.rootf, n.Name(), x.Format.Prefix)
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
