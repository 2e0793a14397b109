// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// xattrPrefixes are the prefixes by their numbers.
var xattrPrefixes = []string{"user.", "trusted.", "security."}

const (
	xattrID  = 16    // size of an entry of the table to which the numbers in inodes refer
	maxValue = 65536 // the kernel's limit
)

// xattrTable has each set of attributes once.
type xattrTable struct {
	values table
	ids    []byte
	known  map[string]uint32
}

func newXattrTable(c compressor) xattrTable {
	return xattrTable{values: table{compress: c}, known: map[string]uint32{}}
}

// set is the number of a set.
func (x *xattrTable) set(xs []tree.Xattr) (uint32, error) {
	if len(xs) == 0 {
		return noXattrs, nil
	}
	b, err := encodeXattrs(xs)
	if err != nil {
		return 0, err
	}
	id, ok := x.known[string(b)]
	if ok {
		return id, nil
	}
	id = uint32(len(x.known))
	x.known[string(b)] = id
	names := 0 // the size that listxattr(2) needs
	for _, a := range xs {
		names += len(a.Name) + 1
	}
	x.ids = le.AppendUint64(x.ids, x.values.at().uint64())
	x.ids = le.AppendUint32(x.ids, uint32(len(xs)))
	x.ids = le.AppendUint32(x.ids, uint32(names))
	x.values.add(b)
	return id, nil
}

// HoldsXattr reports whether the format can store extended attributes of that name,
// if they are not too large. It cannot store access control lists.
func HoldsXattr(name string) bool {
	_, _, err := splitXattr(tree.Xattr{Name: name})
	return err == nil
}

// encodeXattrs is a set in its on-disk form.
func encodeXattrs(xs []tree.Xattr) ([]byte, error) {
	var b []byte
	for _, x := range xs {
		prefix, short, err := splitXattr(x)
		if err != nil {
			return nil, err
		}
		b = le.AppendUint16(b, prefix)
		b = le.AppendUint16(b, uint16(len(short)))
		b = append(b, short...)
		b = le.AppendUint32(b, uint32(len(x.Value)))
		b = append(b, x.Value...)
	}
	return b, nil
}

func splitXattr(x tree.Xattr) (prefix uint16, short string, err error) {
	for i, p := range xattrPrefixes {
		short, ok := strings.CutPrefix(x.Name, p)
		if !ok || short == "" || len(x.Name) > maxName || strings.IndexByte(short, 0) >= 0 {
			continue
		}
		if len(x.Value) > maxValue {
			return 0, "", fmt.Errorf("%w: %s has %d bytes", ErrXattr, x.Name, len(x.Value))
		}
		return uint16(i), short, nil
	}
	return 0, "", fmt.Errorf("%w: squashfs has no place for the name %q", ErrXattr, x.Name)
}
