// SPDX-License-Identifier: MPL-2.0

package supervisor

import "encoding/binary"

// The extended attributes of access control lists, and their entries:
// linux/posix_acl_xattr.h. The value is a version, then entries of 8 bytes: tag (2),
// permissions (2), id (4).
const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"

	aclVersion = 2
	aclHeader  = 4
	aclEntry   = 8
	aclUser    = 0x02
	aclGroup   = 0x08
)

// mappedACL is a list whose users and groups are all 0, which a namespace with that one
// id can store, and whether it is another one.
func mappedACL(v []byte) (mapped []byte, foreign bool) {
	mapped = append([]byte(nil), v...)
	eachNamed(mapped, func(id []byte) {
		foreign = foreign || binary.LittleEndian.Uint32(id) != 0
		binary.LittleEndian.PutUint32(id, 0)
	})
	return mapped, foreign
}

// namedACL is a stored list with the users and groups of the one that was set; the stored
// one where they do not fit each other.
func namedACL(stored, set []byte) []byte {
	var ids [][]byte
	eachNamed(set, func(id []byte) { ids = append(ids, id) })
	out := append([]byte(nil), stored...)
	n := 0
	eachNamed(out, func(id []byte) {
		if n < len(ids) {
			copy(id, ids[n])
		}
		n++
	})
	if n != len(ids) {
		return stored
	}
	return out
}

func eachNamed(v []byte, f func(id []byte)) {
	if len(v) < aclHeader || binary.LittleEndian.Uint32(v) != aclVersion {
		return
	}
	for e := v[aclHeader:]; len(e) >= aclEntry; e = e[aclEntry:] {
		if tag := binary.LittleEndian.Uint16(e); tag == aclUser || tag == aclGroup {
			f(e[4:aclEntry])
		}
	}
}
