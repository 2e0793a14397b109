// SPDX-License-Identifier: MPL-2.0

package results

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// SumsName is the file with the digests of all others, as sha256sum has it.
const SumsName = "SHA256SUMS"

// Item is something to be written into a directory.
type Item struct {
	Name  string // relative, slash-separated
	Write func(ctx context.Context, dst *os.File, sum hash.Hash) error
}

// Item is the file as one to be written: holes stay holes.
func (f File) Item(name string) Item {
	return Item{name, func(ctx context.Context, dst *os.File, sum hash.Hash) error {
		src, err := f.Open()
		if err != nil {
			return err
		}
		defer src.Close()
		return CopySparse(ctx, dst, src, sum)
	}}
}

// Stream is an item that is written front to back.
func Stream(name string, write func(ctx context.Context, w io.Writer) error) Item {
	return Item{name, func(ctx context.Context, dst *os.File, sum hash.Hash) error {
		return write(ctx, io.MultiWriter(dst, sum))
	}}
}

// Write writes items into a directory, which it makes, a few at a time, and
// SumsName with the digests of these. They get their names when all are
// complete and on the disk; after an error each file is what it was before.
// Nothing outside of the directory is ever written, whatever links are in it.
func Write(ctx context.Context, dir string, items []Item, jobs int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	defer root.Close()
	items = slices.SortedFunc(slices.Values(items), func(a, b Item) int { return strings.Compare(a.Name, b.Name) })
	parts := make([]part, len(items), len(items)+1)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(jobs, 1))
	for i, it := range items {
		g.Go(func() (err error) {
			parts[i], err = put(gctx, root, it)
			return err
		})
	}
	if err = g.Wait(); err == nil {
		var sums part
		sums, err = put(ctx, root, Stream(SumsName, func(_ context.Context, w io.Writer) error { return writeSums(w, parts) }))
		parts = append(parts, sums)
	}
	if err == nil {
		err = rename(root, parts)
	}
	for _, p := range parts {
		if err != nil && p.temp != "" {
			_ = root.Remove(p.temp) // it may have its name by now
		}
	}
	if err != nil {
		return fmt.Errorf("write results into %s: %w", dir, err)
	}
	return nil
}

// part is a file that is complete and has no name yet.
type part struct {
	name, temp string // temp is "" without a file
	sum        string
}

// put writes one file beside its place.
func put(ctx context.Context, root *os.Root, it Item) (part, error) {
	if err := ctx.Err(); err != nil {
		return part{}, err
	}
	if err := root.MkdirAll(path.Dir(it.Name), 0o755); err != nil {
		return part{}, fmt.Errorf("%s: %w", it.Name, err)
	}
	p := part{name: it.Name, temp: path.Join(path.Dir(it.Name), fmt.Sprintf(".carosbuild-%016x", rand.Uint64()))}
	f, err := root.OpenFile(p.temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return part{}, fmt.Errorf("%s: %w", it.Name, err)
	}
	sum := sha256.New()
	err = it.Write(ctx, f, sum)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		err = fmt.Errorf("%s: %w", it.Name, err)
	}
	p.sum = hex.EncodeToString(sum.Sum(nil))
	return p, err
}

// rename gives the files their names. One wait for the disk is enough for all
// of them.
func rename(root *os.Root, parts []part) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := syncAll(root, dir, parts); err != nil {
		return fmt.Errorf("wait for the disk: %w", err)
	}
	for _, p := range parts {
		if err := root.Rename(p.temp, p.name); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return syncDir(dir)
}

func writeSums(w io.Writer, parts []part) error {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(SumLine(p.sum, p.name))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// SumLine is a line of SumsName. A name with a line break or a backslash is
// written as coreutils does.
func SumLine(sum, name string) string {
	safe := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
	if safe != name {
		sum = `\` + sum
	}
	return sum + "  " + safe + "\n"
}

// piece is how much is copied at a time.
const piece = 1 << 20

// CopySparse copies a file, and hashes it. What is a hole in the source
// is not written, and so is one in the copy.
func CopySparse(ctx context.Context, dst *os.File, src Content, sum hash.Hash) error {
	st, err := src.Stat()
	if err != nil {
		return err
	}
	buf, zero := make([]byte, piece), make([]byte, piece)
	for off := int64(0); off < st.Size(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		from, to := off, st.Size()
		if f, ok := src.(*os.File); ok {
			from, to = extent(f, off, st.Size())
		}
		for ; off < from; off += min(piece, from-off) {
			sum.Write(zero[:min(piece, from-off)])
		}
		for off < to && ctx.Err() == nil {
			b := buf[:min(piece, to-off)]
			if _, err := src.ReadAt(b, off); err != nil {
				return fmt.Errorf("it has changed: %w", err)
			}
			sum.Write(b)
			if !bytes.Equal(b, zero[:len(b)]) {
				if _, err := dst.WriteAt(b, off); err != nil {
					return err
				}
			}
			off += int64(len(b))
		}
	}
	return dst.Truncate(st.Size())
}
