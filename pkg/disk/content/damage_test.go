// SPDX-License-Identifier: MPL-2.0

package content

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/erofs"
)

// TestDamage has files that must not become a disk, and the errors.
func TestDamage(t *testing.T) {
	good := system(t, sample(), "ext4")
	ext := contentOf(t, good)
	debugfs := func(request string) []byte {
		img := filepath.Join(t.TempDir(), "fs")
		if err := os.WriteFile(img, ext, 0o600); err != nil {
			t.Fatal(err)
		}
		tool(t, "", "", "debugfs", "-w", "-R", request, img)
		return contentOf(t, img)
	}
	out := filepath.Join(t.TempDir(), "squashfs")
	tool(t, "", string(archiveOf(t, sample())), "sqfstar", "-nopad", "-quiet", "-no-progress", out)
	sqfs := contentOf(t, out)
	m, err := erofs.Build(reference(t), erofs.Options{Time: epoch})
	if err != nil {
		t.Fatal(err)
	}
	ero := bytesOf(t, m)
	flipped := func(b []byte, at int) []byte {
		b = slices.Clone(b)
		b[at] ^= 0x10
		return b
	}
	disk := contentOf(t, card(t, "gpt", good))
	busybox := bytes.Index(ext, []byte("\x7fELF program"))
	if busybox < 0 {
		t.Fatal("no busybox in the file system")
	}
	cpio := cpioOf(sample())
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"a journal to be replayed", debugfs("feature needs_recovery"), "file: it is not wholly read: journal: not read: the file system was not unmounted, and its journal holds changes"},
		{"errors that the kernel noted", debugfs("set_super_value state 2"), "it is damaged: superblock: the kernel has found errors"},
		{"an inode's checksum", debugfs("set_inode_field /etc/shadow checksum 0x1234"), "it is damaged: inode "},
		{"a feature that is not known", debugfs("feature FEATURE_I28"), "its features (0x10000000) are not read"},
		{"encrypted", debugfs("set_inode_field /home/user flags 0x80800"), "encrypted"},
		{"a shortened file system", ext[:len(ext)/2], "blocks of 1024 bytes, on a device of"},
		{"a shortened erofs", ero[:len(ero)-4096], "on a device of"},
		{"the root of an erofs", flipped(ero, 4096+64+10), "it is damaged: /"},
		{"the superblock of an erofs", flipped(ero, 1024+64), "it is damaged: superblock"},
		{"a shortened squashfs", sqfs[:len(sqfs)-100], "on a device of"},
		{"data of a squashfs", flipped(sqfs, 200), "it is damaged: /"},
		{"a squashfs's table", flipped(sqfs, int(binary.LittleEndian.Uint64(sqfs[64:]))+9), "squashfs"},
		{"a shortened disk", disk[:len(disk)-4096], "GPT"},
		{"a checksum of the table", flipped(disk, 512+16), "GPT: its header has the checksum"},
		{"a shortened cpio", cpio[:len(cpio)/2], "the archive ends before them"},
		{"nothing", nil, "it is empty"},
		{"zeros", make([]byte, 10240), "it has no partitions"},
		{"text", []byte(strings.Repeat("text ", 10000)), "it is neither an archive (tar, or cpio of the format newc) nor an image"},
		{"an ISO", isoImage(t), "it holds iso9660, of which no files are read"},
	} {
		_, err := read(t, tt.b, Options{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func isoImage(t *testing.T) []byte {
	t.Helper()
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "iso")
	tool(t, "", "", "genisoimage", "-quiet", "-o", out, dir)
	return contentOf(t, out)
}

// TestEnds ends with its context.
func TestEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, b := range [][]byte{archiveOf(t, sample()), cpioOf(sample()), contentOf(t, system(t, sample(), "ext4"))} {
		s := Source{Name: "file", Content: bytes.NewReader(b), Size: int64(len(b))}
		if _, err := s.Tree(ctx, Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}
