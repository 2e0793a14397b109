// SPDX-License-Identifier: MPL-2.0

package record

import "encoding/binary"

// IsACL reports whether an attribute is an access control list.
func IsACL(name string) bool { return name == ACLAccess || name == ACLDefault }

// The extended attributes of access control lists, and their entries:
// linux/posix_acl_xattr.h. The value is a version, then entries of 8 bytes: tag (2),
// permissions (2), id (4).
const (
	ACLAccess  = "system.posix_acl_access"
	ACLDefault = "system.posix_acl_default"

	aclVersion = 2
	aclHeader  = 4
	aclEntry   = 8
	aclUser    = 0x02
	aclGroup   = 0x08
)

// MappedACL is a list whose users and groups are all 0, which a namespace with that one
// id can store, and whether it is another one.
func MappedACL(v []byte) (mapped []byte, foreign bool) {
	mapped = append([]byte(nil), v...)
	eachNamed(mapped, func(id []byte) {
		foreign = foreign || binary.LittleEndian.Uint32(id) != 0
		binary.LittleEndian.PutUint32(id, 0)
	})
	return mapped, foreign
}

// NamedACL is a stored list with the users and groups of the one that was set; the stored
// one where they do not fit each other.
func NamedACL(stored, set []byte) []byte {
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
