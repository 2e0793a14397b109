// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/partition"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
)

// derive returns 16 bytes that depend only on the seed and the role.
func derive(seed []byte, role string) [16]byte {
	h := sha256.New()
	frame(h, []byte("carosbuild disk id"))
	frame(h, seed)
	frame(h, []byte(role))
	return [16]byte(h.Sum(nil)[:16])
}

// deriveSalt is the salt of a verity partition, as long as veritysetup's.
func deriveSalt(seed []byte, number int) []byte {
	a, b := derive(seed, fmt.Sprintf("partition %d salt", number)), derive(seed, fmt.Sprintf("partition %d salt, second half", number))
	return append(a[:], b[:]...)
}

// deriveUUID is derive in the shape of a version 8 UUID (RFC 9562).
func deriveUUID(seed []byte, role string) uuid.UUID {
	u := derive(seed, role)
	u[6] = u[6]&0x0F | 0x80
	u[8] = u[8]&0x3F | 0x80
	return u
}

// deriveUint32 is never 0, which some readers take for "none".
func deriveUint32(seed []byte, role string) uint32 {
	u := derive(seed, role)
	return max(1, binary.LittleEndian.Uint32(u[:]))
}

// signature is an MBR disk's.
func (s *Spec) signature() uint32 { return deriveUint32(s.Seed, "mbr signature") }

// mbrPartUUID is the kernel's PARTUUID for a partition of an MBR disk (its
// block/partitions/msdos.c).
func mbrPartUUID(signature uint32, number int) string {
	return fmt.Sprintf("%08x-%02x", signature, number)
}

// PartUUIDs are the PARTUUIDs that Compose gives to the partitions that have a name, by
// name. It uses only Name, Type, FS, UUID and Serial of each, so that the PARTUUIDs can
// be part of the contents.
func (s *Spec) PartUUIDs() (map[string]string, error) {
	out := map[string]string{}
	for i, d := range s.declared() {
		p := part{Partition: d, fs: FileSystemOf(d.FS)}
		p.number = i + 1
		if err := p.identify(s.Seed, s.Table); err != nil {
			return nil, p.wrong(err)
		}
		switch {
		case p.Name == "":
		case s.Table == string(partition.MBR):
			out[p.Name] = mbrPartUUID(s.signature(), p.number)
		default:
			out[p.Name] = p.guid.String()
		}
	}
	return out, nil
}

// frame writes b so that different sequences of calls never give the same bytes.
func frame(h io.Writer, b []byte) {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(b)))
	_, _ = h.Write(n[:]) // writing to a hash cannot fail
	_, _ = h.Write(b)
}

// TreeDigest is the SHA-256 of all metadata of the tree's entries: names, owners,
// modes, times, sizes, targets, extended attributes. Contents are not read. It is
// meant for Spec.Seed, together with digests of the contents' sources.
func TreeDigest(t *tree.Tree) [32]byte {
	h := sha256.New()
	for i := range t.Entries {
		digestEntry(h, &t.Entries[i])
	}
	return [32]byte(h.Sum(nil))
}

func digestEntry(h hash.Hash, e *tree.Entry) {
	frame(h, []byte(e.Path))
	frame(h, []byte(e.Hardlink))
	if e.Hardlink != "" {
		return
	}
	frame(h, []byte(e.Link))
	var b []byte
	for _, n := range []uint32{e.Mode, e.UID, e.GID, e.Rdev.Major, e.Rdev.Minor, uint32(e.MtimeNsec)} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Mtime))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Size))
	frame(h, b)
	frame(h, binary.LittleEndian.AppendUint64(nil, uint64(len(e.Xattrs))))
	for _, x := range e.Xattrs {
		frame(h, []byte(x.Name))
		frame(h, x.Value)
	}
}
