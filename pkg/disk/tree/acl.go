// SPDX-License-Identifier: MPL-2.0

package tree

import "encoding/binary"

// aclPrefix begins the names of attributes with access control lists.
const aclPrefix = "system.posix_acl_"

// groupOf is the permissions that an access control list gives to the file's group:
// linux/posix_acl_xattr.h, a version of 4 bytes and entries of tag, permissions and
// id.
func groupOf(x Xattr) (perm uint32, ok bool) {
	const (
		groupObj = 0x04
		mask     = 0x10
	)
	if x.Name != aclPrefix+"access" || len(x.Value) < 4 {
		return 0, false
	}
	limit := uint32(7)
	for b := x.Value[4:]; len(b) >= 8; b = b[8:] {
		p := uint32(binary.LittleEndian.Uint16(b[2:])) & 7
		switch binary.LittleEndian.Uint16(b) {
		case groupObj:
			perm, ok = p, true
		case mask:
			limit = p
		}
	}
	return perm & limit, ok
}
