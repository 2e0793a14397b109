// SPDX-License-Identifier: MPL-2.0

package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/carosio/carosbuild/pkg/evict"
	"github.com/carosio/carosbuild/pkg/sealed"
)

// Memory remembers the digests of files, so that a large source of which little has
// changed is not read again. As git does, it takes a file for unchanged when its inode,
// size and times are; what was changed less than two seconds before it was read is not
// remembered, since it could change again without another time. It only says what to plan:
// whoever copies a file reads it. The zero value remembers
// nothing.
type Memory struct {
	Dir string // a file for each source
	Now func() time.Time
}

// settled is how long a file must not have changed to be remembered.
const settled = 2 * time.Second

// worthwhile is how many bytes a source must have to be remembered: reading less takes no
// longer than reading what is remembered.
const worthwhile = 4 << 20

// Known are remembered digests of the files of a source.
type Known map[identity]string

// identity tells the versions of files apart.
type identity struct {
	Dev, Ino, Size, Mtime, Ctime int64 // times in nanoseconds since 1970
}

// remembered is a file as a Memory stores it.
type remembered struct {
	ID  identity `json:"i"`
	Sum string   `json:"s"` // SHA-256, hexadecimal
}

// Units are what is remembered of each source.
func (m Memory) Units() ([]evict.Unit, error) { return evict.Units(m.Dir) }

func (m Memory) file(source string) string {
	sum := sha256.Sum256([]byte(source))
	return filepath.Join(m.Dir, hex.EncodeToString(sum[:16])+".json")
}

// Known is what is remembered of the files of a source, by its absolute path. It is
// only a matter of time: what cannot be read is not remembered.
func (m Memory) Known(source string) Known {
	if m.Dir == "" || !filepath.IsAbs(source) {
		return nil
	}
	var all []remembered
	if ok, err := sealed.Read(m.file(source), &all); !ok || err != nil {
		return nil
	}
	known := make(Known, len(all))
	for _, r := range all {
		if sum, err := hex.DecodeString(r.Sum); err == nil && len(sum) == sha256.Size {
			known[r.ID] = string(sum)
		}
	}
	return known
}

// Sum is the remembered SHA-256 of a file that is still as it was, 32 bytes.
func (k Known) Sum(st fs.FileInfo) (sum string, ok bool) {
	if len(k) == 0 {
		return "", false
	}
	id, ok := identityOf(st)
	if !ok {
		return "", false
	}
	sum, ok = k[id]
	return sum, ok
}

// Forget forgets a source, whose files are read again.
func (m Memory) Forget(source string) {
	if m.Dir != "" {
		_ = os.Remove(m.file(source)) // it is there at the most
	}
}

// DigestAll is the function of that name, which reads the files that are not remembered.
func (m Memory) DigestAll(ctx context.Context, path string) (string, []AddedFile, error) {
	known := m.Known(path)
	learned := Known{}
	fresh, total := 0, int64(0)
	digest, added, err := digestAll(ctx, path, known, func(st fs.FileInfo, sum string, read time.Time) {
		id, ok := identityOf(st)
		if !ok || time.Unix(0, max(id.Mtime, id.Ctime)).After(read.Add(-settled)) {
			return
		}
		if known[id] != sum {
			fresh++
		}
		learned[id] = sum
		total += id.Size
	}, m.now)
	if err != nil || m.Dir == "" || total < worthwhile || fresh == 0 && len(learned) == len(known) {
		return digest, added, err
	}
	all := make([]remembered, 0, len(learned))
	for id, sum := range learned {
		all = append(all, remembered{id, hex.EncodeToString([]byte(sum))})
	}
	_ = sealed.Write(m.file(path), all) // a cache that cannot be written costs time only
	return digest, added, nil
}

func (m Memory) now() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}
