// SPDX-License-Identifier: MPL-2.0

package git

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// A commit's objects are packed once and kept: packs/NAME-KEY has the files that a
// checkout gets below .git/objects/pack.

// packsKept is the number of packs that are kept for one mirror.
const packsKept = 3

// pack makes, or finds, the packs of everything reachable from the tips: ids of a
// commit and of tags. They may be read until the lock is closed.
//
// A canonical pack is the same from any mirror: it does not depend on how the
// mirror has its objects packed. This costs a minute of computing for each 500 000
// objects; otherwise it takes seconds.
func (m *mirror) pack(ctx context.Context, tips []string, canonical bool) (dir string, lock *os.File, err error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "1 %v %q", canonical, tips))
	packs := filepath.Join(filepath.Dir(m.base), "packs")
	if err := os.MkdirAll(packs, 0o700); err != nil {
		return "", nil, err
	}
	dir = filepath.Join(packs, fmt.Sprintf("%s-%x", filepath.Base(m.base), sum[:12]))
	for {
		if lock, err = hold(ctx, dir+".lock", false, nil); err != nil {
			return "", nil, err
		}
		if _, err := os.Lstat(dir); err == nil {
			now := time.Now() // the order in which they are removed
			return dir, lock, os.Chtimes(dir, now, now)
		}
		if err := errors.Join(lock.Close(), m.makePack(ctx, dir, tips, canonical)); err != nil {
			return "", nil, err
		}
	}
}

func (m *mirror) makePack(ctx context.Context, dir string, tips []string, canonical bool) error {
	lock, err := hold(ctx, dir+".lock", true, nil)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Lstat(dir); err == nil {
		return nil
	}
	tmp := dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(tmp, "pack"), 0o700); err != nil {
		return err
	}
	if canonical {
		err = m.packAnew(ctx, lock, tmp, tips)
	} else {
		err = m.packObjects(ctx, lock, tmp, strings.NewReader(strings.Join(tips, "\n")+"\n"), "--revs")
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	m.prunePacks(dir)
	return os.Rename(tmp, dir)
}

// packObjects writes one pack below tmp, which also has git's unfinished files.
func (m *mirror) packObjects(ctx context.Context, lock *os.File, tmp string, objects io.Reader, more ...string) error {
	args := slices.Concat([]string{"pack-objects", "--quiet", "--threads=1", "--delta-base-offset"}, more, []string{filepath.Join(tmp, "pack", "pack")})
	_, err := m.cache.git(ctx, command{
		args: args, stdin: objects, lock: lock,
		config: [][2]string{
			{"pack.writeReverseIndex", "false"},
			{"pack.writeBitmaps", "false"},
			{"pack.packSizeLimit", "0"},
			{"pack.indexVersion", "2"},
			{"pack.useSparse", "false"},
			{"pack.allowPackReuse", "false"},
			{"pack.island", ""},
		},
		env: []string{"GIT_DIR=" + m.dir(), "GIT_OBJECT_DIRECTORY=" + tmp, "GIT_ALTERNATE_OBJECT_DIRECTORIES=" + filepath.Join(m.dir(), "objects")},
	})
	return err
}

// packParts is how many packs new objects are packed into, each by one thread: with
// several threads, a pack is not reproducible.
const packParts = 8

func (m *mirror) packAnew(ctx context.Context, lock *os.File, tmp string, tips []string) error {
	list, err := m.git(ctx, nil, append([]string{"rev-list", "--objects", "--end-of-options"}, tips...)...)
	if err != nil {
		return err
	}
	var parts [packParts]bytes.Buffer
	for line := range bytes.Lines(list) {
		parts[part(line)].Write(line)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i := range parts {
		if parts[i].Len() > 0 {
			g.Go(func() error {
				return m.packObjects(ctx, lock, tmp, &parts[i], "--no-reuse-delta", "--no-reuse-object", "--window=2", "--depth=50")
			})
		}
	}
	return g.Wait()
}

// part keeps similar objects together: files and directories with the same name.
// Commits and top directories have no name.
func part(line []byte) int {
	_, name, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
	h := fnv.New32a()
	_, _ = h.Write([]byte(path.Base(name))) // cannot fail
	return int(h.Sum32() % packParts)
}

// prunePacks removes the mirror's oldest packs that are not being read, and unfinished
// packs of dead processes. If that fails, the build continues.
func (m *mirror) prunePacks(but string) {
	packs := filepath.Dir(but)
	entries, err := os.ReadDir(packs)
	if err != nil {
		return
	}
	used := map[string]time.Time{} // zero if it is not complete
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".lock")
		if !ok || !strings.HasPrefix(name, filepath.Base(m.base)+"-") || name == filepath.Base(but) {
			continue
		}
		used[name] = time.Time{}
		if st, err := os.Lstat(filepath.Join(packs, name)); err == nil {
			used[name] = st.ModTime()
		}
	}
	names := slices.SortedFunc(maps.Keys(used), func(a, b string) int { return used[b].Compare(used[a]) })
	for _, name := range names[min(len(names), packsKept-1):] {
		removeUnused(filepath.Join(packs, name))
	}
}

// removeUnused removes a pack, unless it is being read or made. The lock file
// stays: a process may have it open.
func removeUnused(dir string) {
	lock, err := tryHold(dir+".lock", true)
	if err != nil {
		return
	}
	defer lock.Close()
	_ = os.RemoveAll(dir) // the rest is removed next time
	_ = os.RemoveAll(dir + ".tmp")
}

// copyPacks copies the files of a pack directory.
func copyPacks(from, to string) error {
	entries, err := os.ReadDir(filepath.Join(from, "pack"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), "pack-") {
			continue
		}
		if err := copyFile(filepath.Join(from, "pack", e.Name()), filepath.Join(to, e.Name()), 0o444); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in) // the kernel copies, or shares the blocks
	return errors.Join(err, out.Close())
}
