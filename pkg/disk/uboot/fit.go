// SPDX-License-Identifier: MPL-2.0

package uboot

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"strings"
)

// fdt is a flattened device tree whose header is checked.
type fdt struct {
	nodes, names []byte // the structure block and the strings block
	total        int
}

// Bounds of a device tree, far above what a FIT needs.
const (
	maxDepth  = 16
	maxName   = 255
	maxHashed = 8 // bytes to hash for each byte of the tree: thousands of digests of large data would take hours
)

func newFDT(b []byte) (*fdt, error) {
	if len(b) < fdtHeader || be.Uint32(b) != fdtMagic {
		return nil, fmt.Errorf("no device tree")
	}
	u := func(at int) int64 { return int64(be.Uint32(b[at:])) }
	total := u(fdtTotal)
	switch {
	case total < fdtHeader || total > int64(len(b)):
		return nil, fmt.Errorf("FIT says it has %d bytes, %d are there", total, len(b))
	case u(fdtStruct)%4 != 0 || u(fdtStruct)+u(fdtStructSize) > total || u(fdtStrings)+u(fdtStringsSize) > total:
		return nil, fmt.Errorf("a block of the FIT is outside of its %d bytes", total)
	}
	return &fdt{
		nodes: b[u(fdtStruct) : u(fdtStruct)+u(fdtStructSize)],
		names: b[u(fdtStrings) : u(fdtStrings)+u(fdtStringsSize)],
		total: int(total),
	}, nil
}

// walk calls f for every property, with the path of its node; a node without any is
// reported with name "".
func (t *fdt) walk(f func(node, name string, value []byte) error) error {
	var path []string
	for at := 0; ; {
		if at+4 > len(t.nodes) {
			return fmt.Errorf("FIT ends inside of a node")
		}
		token := be.Uint32(t.nodes[at:])
		at += 4
		switch token {
		case fdtBegin:
			n := bytes.IndexByte(t.nodes[at:], 0)
			if n < 0 || n > maxName || len(path) == maxDepth {
				return fmt.Errorf("FIT has a node without end of name, too deep or of too long a name")
			}
			path = append(path, string(t.nodes[at:at+n]))
			at += (n + 4) &^ 3
			if err := f(strings.Join(path, "/"), "", nil); err != nil {
				return err
			}
		case fdtEnd:
			if len(path) == 0 {
				return fmt.Errorf("FIT ends a node that did not begin")
			}
			path = path[:len(path)-1]
		case fdtProp:
			name, value, err := t.prop(at)
			if err != nil {
				return err
			}
			if err := f(strings.Join(path, "/"), name, value); err != nil {
				return err
			}
			at += 8 + (len(value)+3)&^3
		case fdtNop:
		case fdtDone:
			return nil
		default:
			return fmt.Errorf("FIT has token %d", token)
		}
	}
}

// prop reads the property at an offset of the structure block.
func (t *fdt) prop(at int) (name string, value []byte, err error) {
	if at+8 > len(t.nodes) {
		return "", nil, fmt.Errorf("FIT ends inside of a property")
	}
	n, nameAt := int64(be.Uint32(t.nodes[at:])), int64(be.Uint32(t.nodes[at+4:]))
	if n > int64(len(t.nodes)-at-8) || nameAt >= int64(len(t.names)) {
		return "", nil, fmt.Errorf("FIT has a property of %d bytes, or its name, outside of its blocks", n)
	}
	end := bytes.IndexByte(t.names[nameAt:], 0)
	if end < 0 {
		return "", nil, fmt.Errorf("FIT has a name without end")
	}
	return string(t.names[nameAt : nameAt+int64(end)]), t.nodes[at+8 : at+8+int(n)], nil
}

// checkFIT checks that a FIT is complete and that its digests are right, and
// returns its description.
func checkFIT(b []byte) (string, error) {
	t, err := newFDT(b)
	if err != nil {
		return "", err
	}
	props := map[string]map[string][]byte{}
	var nodes []string
	err = t.walk(func(node, name string, value []byte) error {
		if props[node] == nil {
			props[node] = map[string][]byte{}
			nodes = append(nodes, node)
		}
		props[node][name] = value
		return nil
	})
	if err != nil {
		return "", err
	}
	data := map[string][]byte{} // of images, by node
	left := maxHashed * int64(len(b))
	for _, node := range nodes {
		part := strings.Split(node, "/") // "", images, NAME, hash-1
		switch {
		case len(part) == 3 && part[1] == "images":
			data[node], err = imageData(b, t.total, props[node])
		case len(part) == 4 && part[1] == "images" && strings.HasPrefix(part[3], "hash"):
			image := data[strings.Join(part[:3], "/")]
			if left -= int64(len(image)); left < 0 {
				return "", fmt.Errorf("FIT has sums of more than %d times its size", maxHashed)
			}
			err = checkHash(image, props[node])
		}
		if err != nil {
			return "", fmt.Errorf("FIT, node %s: %w", node, err)
		}
	}
	if len(data) == 0 || props["/configurations"] == nil {
		return "", fmt.Errorf("FIT without images or configurations")
	}
	return text(props[""]["description"]), nil
}

// imageData is the data of an image: in the node, or after the tree.
func imageData(b []byte, total int, p map[string][]byte) ([]byte, error) {
	if data, ok := p["data"]; ok {
		return data, nil
	}
	size, ok := number(p["data-size"])
	at, fixed := number(p["data-position"])
	if off, behind := number(p["data-offset"]); behind && !fixed {
		at, fixed = off+int64((total+3)&^3), true
	}
	switch {
	case !ok || !fixed:
		return nil, fmt.Errorf("no data")
	case at+size > int64(len(b)):
		return nil, fmt.Errorf("data of %d bytes at %d end after the file's %d", size, at, len(b))
	}
	return b[at : at+size], nil
}

// checkHash compares data with a hash node; algorithms that U-Boot supports and
// this package does not are accepted.
func checkHash(data []byte, p map[string][]byte) error {
	var got []byte
	switch text(p["algo"]) {
	case "crc32":
		got = be.AppendUint32(nil, crc32.ChecksumIEEE(data))
	case "sha1":
		s := sha1.Sum(data)
		got = s[:]
	case "sha256":
		s := sha256.Sum256(data)
		got = s[:]
	default:
		return nil
	}
	if !bytes.Equal(got, p["value"]) {
		return fmt.Errorf("%s is %x, it says %x", text(p["algo"]), got, p["value"])
	}
	return nil
}

func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// number is a property of one cell.
func number(b []byte) (int64, bool) {
	if len(b) != 4 {
		return 0, false
	}
	return int64(be.Uint32(b)), true
}
