// SPDX-License-Identifier: MPL-2.0

package ext4

import "fmt"

// index is what the hash tree of a directory says about the directory's blocks.
type index struct {
	nodes  map[int64]bool      // blocks of the tree
	leaves map[int64][2]uint32 // blocks of entries: lowest hash, and that of the next block
	hashed bool                // whether hashes of names can be computed
	hash   nameHash
}

// isIndex reports whether a block of the directory is part of its index.
func (d *dirCheck) isIndex(logical int64) bool { return d.index != nil && d.index.nodes[logical] }

// readIndex reads and checks the hash tree.
func (d *dirCheck) readIndex() {
	d.index = &index{nodes: map[int64]bool{}, leaves: map[int64][2]uint32{}, hash: nameHash{seed: newDirHash(d.f.s.HashSeed)}}
	blocks := d.n.size() / d.f.block
	err := d.indexBlock(0, func(b []byte) error {
		if len(b) < dxRootEntries+8 || b[dxRootInfo+5] != 8 || b[dxRootInfo+6] > 3 {
			return formatError("its index has no root")
		}
		version, levels := b[dxRootInfo+4], int(b[dxRootInfo+6])
		d.index.hash.version = int(version)
		if version < unsignedHash && d.f.s.Flags&flagUnsignedHash != 0 {
			d.index.hash.version += unsignedHash
		}
		d.index.hashed = d.index.hash.known() && d.n.flags()&flagCasefold == 0
		return d.node(b, 0, dxRootEntries, levels, blocks, 0, 1<<32-1)
	})
	if err != nil {
		d.Add(d.p.String(), "%v", err)
	}
}

// indexBlock reads a block of the directory.
func (d *dirCheck) indexBlock(logical int64, use func(b []byte) error) error {
	found := false
	w := walker{f: d.f, n: d.n, from: logical, piece: func(p piece) (bool, error) {
		if logical < p.logical || logical >= p.logical+p.n {
			return false, nil
		}
		b, err := d.f.read(p.start + logical - p.logical)
		if err == nil {
			found = true
			err = use(b)
		}
		return false, err
	}}
	if err := w.walk(); err != nil {
		return err
	}
	if !found {
		return formatError("its index names block %d, which it does not have", logical)
	}
	return nil
}

// node checks a block of the index, whose entries start at off and whose hashes are
// at least low and less than high.
func (d *dirCheck) node(b []byte, logical int64, off, levels int, blocks int64, low, high uint32) error {
	if d.index.nodes[logical] {
		return formatError("block %d is in its index twice", logical)
	}
	d.index.nodes[logical] = true
	limit, count := int(le.Uint16(b[off:])), int(le.Uint16(b[off+2:]))
	if limit*8+off > len(b) || count == 0 || count > limit {
		return formatError("block %d of its index has %d entries of %d", logical, count, limit)
	}
	if d.f.metaSum {
		d.indexSum(b, logical, off, limit, count)
	}
	for i := range count {
		e := b[off+8*i:]
		from, to := low, high
		if i > 0 {
			from = le.Uint32(e)
		}
		if i+1 < count {
			to = le.Uint32(b[off+8*(i+1):])
		}
		at := int64(le.Uint32(e[4:]) & 0x0FFFFFFF)
		_, twice := d.index.leaves[at]
		switch {
		case from > to || from < low || to > high:
			return formatError("hashes in block %d of its index do not ascend", logical)
		case at == 0 || at >= blocks || twice:
			return formatError("its index names block %d, which is twice in it or not in the directory", at)
		case levels == 0:
			d.index.leaves[at] = [2]uint32{from, to}
			continue
		}
		err := d.indexBlock(at, func(b []byte) error {
			return d.node(b, at, dxNodeEntries, levels-1, blocks, from, to)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// indexSum checks the checksum of a block of the index, which dxWriter.end writes.
func (d *dirCheck) indexSum(b []byte, logical int64, off, limit, count int) {
	at := off + 8*limit
	if at+dxTail > len(b) {
		d.Add(d.p.String(), "block %d of its index has no checksum", logical)
		return
	}
	sum := crc32c(d.f.inodeSeed(d.n), b[:off+8*count])
	tail := [dxTail]byte(b[at:])
	clear(tail[4:])
	if want, got := crc32c(sum, tail[:]), le.Uint32(b[at+4:]); want != got {
		d.Add(d.p.String(), "block %d of its index has the checksum %08x, and %08x is written in it", logical, want, got)
	}
}

// hashes checks that the names in a block belong there.
func (d *dirCheck) hashes(logical, no int64, b []byte) {
	r, ok := d.index.leaves[logical]
	if !ok {
		if !d.index.nodes[logical] {
			d.Add(d.p.String(), "block %d is not in its index", no)
			d.index.leaves[logical] = [2]uint32{0, 1<<32 - 1}
		}
		return
	}
	if !d.index.hashed {
		return
	}
	_ = d.f.eachDirent(b, func(e dirent) error { // block has reported it
		if h := d.index.hash.sum(e.name); h < r[0]&^1 || h > r[1] {
			d.Add(fmt.Sprintf("%s/%s", d.p, e.name), "the index of its directory does not lead to it")
		}
		return nil
	})
}

// unreached checks that the index refers to all blocks.
func (d *dirCheck) unreached() {
	if have, want := int64(len(d.index.leaves)+len(d.index.nodes)), d.n.size()/d.f.block; have != want {
		d.Add(d.p.String(), "its index has %d blocks of %d", have, want)
	}
}
