// SPDX-License-Identifier: MPL-2.0

package git

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what git's format has
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
)

// Git's index, version 2 (gitformat-index(5)), all numbers big-endian:
//
//	"DIRC", uint32 version, uint32 number of entries
//	entries: ctime s, ns; mtime s, ns; dev; ino; mode; uid; gid; size (uint32 each); id; flags (uint16); name;
//	         1 to 8 NULs up to a multiple of 8
//	extensions
//	checksum of all before it
const (
	indexHead   = 12
	entryMtime  = 8
	entryDev    = 16
	entryMode   = 24
	entryUID    = 28
	entrySize   = 36
	entryID     = 40
	extendedBit = 0x4000
	gitlinkMode = 0o160000
)

var errIndex = errors.New("not an index as git writes it")

// settle returns an index in which all entries have the same time, the sizes that
// size returns, and nothing that depends on this machine. idBytes is 20 or 32. It
// also returns the number of submodules.
func settle(old []byte, idBytes int, when uint32, size func(name string) (int64, error)) ([]byte, int, error) {
	be := binary.BigEndian
	if len(old) < indexHead+idBytes || string(old[:4]) != "DIRC" || be.Uint32(old[4:]) != 2 {
		return nil, 0, errIndex
	}
	data := bytes.Clone(old)
	body := data[:len(data)-idBytes]
	modules, at := 0, indexHead
	for range be.Uint32(body[8:]) {
		head := entryID + idBytes + 2
		if len(body)-at < head {
			return nil, 0, errIndex
		}
		e := body[at:]
		n := bytes.IndexByte(e[head:], 0)
		if n <= 0 || be.Uint16(e[head-2:])&extendedBit != 0 || (head+n+8)&^7 > len(e) {
			return nil, 0, errIndex
		}
		mode := be.Uint32(e[entryMode:])
		clear(e[:entryMode])
		clear(e[entryUID:entryID])
		if mode == gitlinkMode {
			modules++
		} else {
			be.PutUint32(e[entryMtime:], when)
			s, err := size(string(e[head : head+n]))
			if err != nil {
				return nil, 0, err
			}
			be.PutUint32(e[entrySize:], uint32(s)) // like git, the lower 32 bits
		}
		at += (head + n + 8) &^ 7
	}
	var h hash.Hash = sha1.New()
	if idBytes == sha256.Size {
		h = sha256.New()
	}
	h.Write(body)
	copy(data[len(body):], h.Sum(nil))
	return data, modules, nil
}
