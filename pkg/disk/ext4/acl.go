// SPDX-License-Identifier: MPL-2.0

package ext4

import "fmt"

// Access control lists: extended attributes have version 2 of the format, with
// entries of tag, permissions and id (8 bytes); ext4 stores version 1, in which
// only entries for a named user or group have an id.
const (
	aclXattrVersion = 2
	aclDiskVersion  = 1
	aclUser         = 0x02
	aclGroup        = 0x08
)

// diskACL converts a list from the form of system calls to that of ext4.
func diskACL(v []byte) ([]byte, error) {
	if len(v) < 4 || (len(v)-4)%8 != 0 || le.Uint32(v) != aclXattrVersion {
		return nil, fmt.Errorf("not an access control list of version %d", aclXattrVersion)
	}
	out := le.AppendUint32(nil, aclDiskVersion)
	for v = v[4:]; len(v) > 0; v = v[8:] {
		switch tag := le.Uint16(v); tag {
		case aclUser, aclGroup:
			out = append(out, v[:8]...)
		case 0x01, 0x04, 0x10, 0x20: // owner, owning group, mask, others
			out = append(out, v[:4]...)
		default:
			return nil, fmt.Errorf("unknown tag %#x in access control list", tag)
		}
	}
	return out, nil
}
