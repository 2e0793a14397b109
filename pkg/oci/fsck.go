// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/ctxio"
	"github.com/carosio/carosbuild/pkg/fsck"
	"github.com/carosio/carosbuild/pkg/sealed"
)

// Fsck checks all blobs against their digests, and the notes about which layers they are
// from.
func (b BlobCache) Fsck(ctx context.Context, c *fsck.Check) error {
	err := fsck.Files(b.blobsDir(), func(path string) error {
		got, _, err := digests(ctx, path)
		if err != nil {
			return err
		}
		c.Checked("blob")
		name := filepath.Base(path)
		if got == name {
			return nil
		}
		d := fsck.Damage{Kind: "blob", Path: path, What: "has the digest sha256:" + got, Then: "put aside; the next push or export compresses its layer again"}
		return c.Damaged(d, func() error { return moveInto(b.quarantineDir(), path, name) })
	})
	if err != nil {
		return fmt.Errorf("check compressed layers: %w", err)
	}
	return sealed.Fsck(ctx, c, "note of a blob", b.indexDir(), "removed; the next push or export compresses the layer again")
}

// Fsck checks all layers against their digests and checksums.
func (c TarCache) Fsck(ctx context.Context, check *fsck.Check) error {
	const then = "put aside; fetched again when a disk needs it"
	err := fsck.Files(c.Dir, func(path string) error {
		name, ok := strings.CutSuffix(filepath.Base(path), ".tar")
		if !ok {
			return nil
		}
		got, sum, err := digests(ctx, path)
		if err != nil {
			return err
		}
		check.Checked("tar")
		id := v1.Hash{Algorithm: "sha256", Hex: name}
		var want tarSum
		ok, err = sealed.Read(c.sumFile(id), &want)
		if err != nil {
			return err
		}
		sum.DiffID = id
		what := ""
		switch {
		case got != name:
			what = "has the digest sha256:" + got
		case !ok || want != sum:
			what = "has no checksum that matches it"
		default:
			return nil
		}
		return check.Damaged(fsck.Damage{Kind: "tar", Path: path, What: what, Then: then}, func() error { return c.quarantine(id) })
	})
	if err != nil {
		return fmt.Errorf("check cached layers: %w", err)
	}
	return nil
}

// digests reads a file, and returns its SHA-256 in hexadecimal digits, its length and
// its CRC-32C.
func digests(ctx context.Context, path string) (string, tarSum, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", tarSum{}, err
	}
	defer f.Close()
	sum, crc := sha256.New(), crc32.New(crcTable)
	n, err := io.CopyBuffer(ctxio.Writer(ctx, io.MultiWriter(sum, crc)), struct{ io.Reader }{f}, make([]byte, 1<<20))
	return hex.EncodeToString(sum.Sum(nil)), tarSum{Size: n, CRC32: crc.Sum32()}, err
}

// moveInto moves a file into a directory, and makes the directory if necessary.
func moveInto(dir, path, name string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Rename(path, filepath.Join(dir, name))
}
