// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// xattrPrefixes are the prefixes by their numbers. For access control lists, the
// prefix is the whole name.
var xattrPrefixes = [...]string{
	1: "user.", 2: "system.posix_acl_access", 3: "system.posix_acl_default", 4: "trusted.", 5: "lustre.", 6: "security.",
}

const (
	xattrHeader = 12
	maxValue    = 0xffff
	maxXattrs   = (0xffff-1)*4 + xattrHeader // largest number that an inode can count
)

func isACL(prefix int) bool { return prefix == 2 || prefix == 3 }

// HoldsXattr reports whether the format can store extended attributes of that name,
// if they are not too large.
func HoldsXattr(name string) bool {
	_, _, err := splitXattr(name)
	return err == nil
}

func splitXattr(name string) (prefix int, short string, err error) {
	for i, p := range xattrPrefixes {
		short, ok := strings.CutPrefix(name, p)
		if p == "" || p == "lustre." || !ok || (short == "") != isACL(i) || len(name) > maxName || strings.IndexByte(short, 0) >= 0 {
			continue
		}
		return i, short, nil
	}
	return 0, "", fmt.Errorf("%w: EROFS has no place for the name %q", ErrXattr, name)
}

// encodeXattrs are the attributes of an inode in the form that follows it, empty if
// there are none.
func encodeXattrs(xs []tree.Xattr) ([]byte, error) {
	if len(xs) == 0 {
		return nil, nil
	}
	b := make([]byte, xattrHeader)
	for _, x := range xs {
		prefix, short, err := splitXattr(x.Name)
		if err != nil {
			return nil, err
		}
		if len(x.Value) > maxValue {
			return nil, fmt.Errorf("%w: %s has %d bytes", ErrXattr, x.Name, len(x.Value))
		}
		if isACL(prefix) && (len(x.Value) < 4 || len(x.Value)%8 != 4 || le.Uint32(x.Value) != 2) {
			return nil, fmt.Errorf("%w: %s: not an access control list of version 2", ErrXattr, x.Name)
		}
		b = append(b, byte(len(short)), byte(prefix))
		b = le.AppendUint16(b, uint16(len(x.Value)))
		b = append(b, short...)
		b = append(b, x.Value...)
		b = append(b, make([]byte, -len(b)&3)...)
	}
	if len(b) > maxXattrs {
		return nil, fmt.Errorf("%w: all of them together have %d bytes", ErrXattr, len(b))
	}
	return b, nil
}
