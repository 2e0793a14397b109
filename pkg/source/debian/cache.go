// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// The cache is a directory that any number of builds share:
//
//	debs/SUM.deb          packages, by SHA256 or SHA512
//	indices/SUM           Packages files, uncompressed
//	releases/HASH         release files as last seen, by hash of their address
//	*/NAME.part           downloads under way, kept for resumption; locked with
//	                      flock by its writer
//
// Files appear under their final names by rename, complete and synced, and are
// hashed again whenever they are used.

// partSuffix ends the name of an unfinished download.
const partSuffix = ".part"

func (f *Fetcher) debPath(sha string) string   { return filepath.Join(f.DebsDir(), sha+".deb") }
func (f *Fetcher) indexPath(sha string) string { return filepath.Join(f.indicesDir(), sha) }

// DebsDir is the directory of the cache that has to be mounted at DebsMount for
// InstallScript.
func (f *Fetcher) DebsDir() string { return filepath.Join(f.Cache, "debs") }

func (f *Fetcher) indicesDir() string  { return filepath.Join(f.Cache, "indices") }
func (f *Fetcher) releasesDir() string { return filepath.Join(f.Cache, "releases") }

func (f *Fetcher) releasePath(url string) string {
	sum := sha256.Sum256([]byte(url))
	return filepath.Join(f.releasesDir(), hex.EncodeToString(sum[:]))
}

// haveFile reports whether name has the size and hash of want. A damaged file is
// removed.
func haveFile(name string, want field.File) (bool, error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	h := field.NewHash(want.Sum)
	n, err := io.Copy(h, file)
	if err != nil {
		return false, err
	}
	if n == want.Size && field.HexSum(h) == want.Sum {
		return true, nil
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return false, nil
}

// readVerified reads a whole file of the cache and checks its hash.
func readVerified(name string, want field.File) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	h := field.NewHash(want.Sum)
	h.Write(data)
	if field.HexSum(h) != want.Sum {
		return nil, fmt.Errorf("%s: damaged in the cache: its hash differs from its name", name)
	}
	return data, nil
}

// lockPart opens name's .part file for appending, with an exclusive lock that ends
// when the file is closed. If another process holds the lock, it waits.
func lockPart(ctx context.Context, name string) (*os.File, error) {
	part := name + partSuffix
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	for {
		file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|freshfile.NoFollow, 0o644)
		if err != nil {
			return nil, err
		}
		mine, err := freshfile.TryLock(file, freshfile.LockExclusive)
		if mine && sameFile(file, part) {
			return file, nil
		}
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", part, err)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// sameFile reports whether the open file is still the one with that name: the process
// that held the lock before may have renamed it into place.
func sameFile(file *os.File, name string) bool {
	a, err1 := file.Stat()
	b, err2 := os.Lstat(name)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// commitPart gives a finished .part file its final name, durably. The lock
// must still be held.
func commitPart(file *os.File, name string) error {
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(name+partSuffix, name); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
