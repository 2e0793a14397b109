// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// CommitOptions say what enters a step's layer.
type CommitOptions struct {
	// Clamp is SOURCE_DATE_EPOCH: later mtimes are set to it, in the layer's files and in
	// its tar stream.
	Clamp *int64
	// Exclude are paths that do not enter the layer, with everything below them: mount
	// points of caches and the like.
	Exclude []string
	// Stubs are paths that do not enter the layer if they are empty directories or files:
	// mount points that the sandbox made.
	Stubs []string
}

// Commit ends the snapshot and makes a layer of its differences from the parent. If there
// are none, it returns the parent and false. The same changes give the same layer. No
// process may write to the snapshot any more.
func (s *Store) Commit(ctx context.Context, w *Working, o CommitOptions) (Layer, bool, error) {
	if !w.ended.CompareAndSwap(false, true) {
		return Layer{}, false, errors.New("commit: the snapshot has ended already")
	}
	if err := w.snap.End(); err != nil {
		return Layer{}, false, fmt.Errorf("commit onto %s: %w", short(w.parent), err)
	}
	defer w.remove()
	l, changed, err := s.commit(ctx, w, o)
	if err != nil {
		return Layer{}, false, fmt.Errorf("commit onto %s: %w", short(w.parent), err)
	}
	return l, changed, nil
}

func (s *Store) commit(ctx context.Context, w *Working, o CommitOptions) (Layer, bool, error) {
	if err := ctx.Err(); err != nil {
		return Layer{}, false, err
	}
	if err := w.snap.Changes(ctx, o.Clamp); err != nil {
		return Layer{}, false, err
	}
	if err := archive.Trim(w.changes(), o.Exclude, o.Stubs); err != nil {
		return Layer{}, false, err
	}
	root, err := w.rootChanged()
	if err != nil {
		return Layer{}, false, err
	}
	record, err := s.wip.scratchFile()
	if err != nil {
		return Layer{}, false, err
	}
	base := w.parent == ""
	res, err := archive.Diff(w.changes(), record, archive.DiffOptions{
		Format: s.format, Lowers: w.lowers,
		Clamp: o.Clamp, Root: root || base, Limit: s.limit.LayerBytes, Strip: true,
	})
	if err == nil && (res.Entries == 0 || base && !root && res.Entries == 1) {
		l, _ := s.Layer(w.parent)
		return l, false, record.Close()
	}
	if err == nil {
		err = w.settleRoot(root || base)
	}
	if err != nil {
		record.Close()
		return Layer{}, false, err
	}
	l, err := s.stage(w.parent, res, record, w.changes())
	return l, true, err
}

// rootChanged reports whether the root directory itself differs from the
// parent's in more than its times. Without a parent the usual root directory,
// 0755 and of uid 0, counts as unchanged.
func (w *Working) rootChanged() (bool, error) {
	st, err := w.store.owners.Stat(unix.AT_FDCWD, w.changes())
	if err != nil {
		return false, fmt.Errorf("read the root directory: %w", err)
	}
	want := w.base
	if w.parent == "" {
		want.Mode = unix.S_IFDIR | 0o755
	}
	return st.Mode != want.Mode || st.Uid != want.Uid || st.Gid != want.Gid, nil
}

// settleRoot gives the upper directory the metadata of the layer's root directory: if the
// tar stream has no entry for it, its time is the parent's.
func (w *Working) settleRoot(inStream bool) error {
	for _, x := range []string{"impure", "origin", "uuid"} {
		err := unix.Lremovexattr(w.changes(), w.store.format.Prefix+x)
		if err != nil && err != unix.ENODATA && err != unix.ENOTSUP {
			return fmt.Errorf("tidy the root directory: %w", err)
		}
	}
	if inStream {
		return nil
	}
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, w.base.Mtim}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, w.changes(), ts, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set time of the root directory: %w", err)
	}
	return nil
}

// stage registers a layer. Its files are in dir, which moves into the store; record
// describes its tar stream. If the store has that layer, but damaged, its files are
// replaced. It closes record.
func (s *Store) stage(parent string, res archive.Result, record *os.File, dir string) (Layer, error) {
	id := ChainID(parent, res.DiffID)
	s.register.Lock()
	defer s.register.Unlock()
	var l Layer
	err := s.wip.exclusive(func() error {
		var ok bool
		if l, ok = s.Layer(id); ok && present(s.graph, id) {
			return record.Close()
		}
		err := s.sync.announce(id)
		if err == nil {
			err = s.writeSums(id, dir, res.Sums)
		}
		if err != nil {
			return errors.Join(err, record.Close())
		}
		if ok {
			err = s.repair(id, dir, record)
		} else {
			err = s.applyStaged(id, parent, res, record, func(dest string) error { return unix.Rename(dir, dest) })
		}
		if err == nil {
			err = s.clearDamage(id)
		}
		if err != nil {
			return err
		}
		s.sync.added(id)
		l = Layer{ID: id, Parent: parent, DiffID: res.DiffID, Size: res.Size}
		s.mu.Lock()
		s.known[id] = l
		s.mu.Unlock()
		return nil
	})
	return l, err
}

// repair replaces the files of a damaged layer by the same files in dir, and its tar
// record by record, which it closes. Mounts of the layer keep the old files. Afterwards,
// dir has the damaged files.
func (s *Store) repair(id, dir string, record *os.File) error {
	defer record.Close()
	if err := s.writeSplit(id, record); err != nil {
		return fmt.Errorf("repair layer %s: %w", short(id), err)
	}
	to := s.diffDir(id)
	err := unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	if err == unix.ENOENT {
		if err = os.MkdirAll(filepath.Dir(to), 0o700); err == nil {
			err = unix.Rename(dir, to)
		}
	}
	if err != nil {
		return fmt.Errorf("repair layer %s: %w", short(id), err)
	}
	return nil
}

// writeSplit stores a tar-split as the store's library does.
func (s *Store) writeSplit(id string, record *os.File) error {
	if _, err := record.Seek(0, io.SeekStart); err != nil {
		return err
	}
	file := s.splitFile(id)
	f, err := freshfile.Create(filepath.Dir(file), ".new-")
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	_, err = io.Copy(z, record)
	return freshfile.Rename(f, file, false, errors.Join(err, z.Close()))
}

// stagingParent is the store's directory that holds dest.
func stagingParent(dest string) string { return filepath.Dir(dest) }
