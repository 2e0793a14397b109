// SPDX-License-Identifier: MPL-2.0

// Package uuid has the identifiers of disks, partitions and file systems.
package uuid

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// UUID is a UUID or GUID, in the order of its text.
type UUID [16]byte

// String is the usual form, in lower case.
func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// Parse parses the form of String, in lower or upper case.
func Parse(s string) (UUID, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 || !strings.EqualFold(UUID(b).String(), s) {
		return UUID{}, fmt.Errorf("%q is not a UUID such as 4f68bce3-e8cd-4db1-96e7-fbcaf984b709", s)
	}
	return UUID(b), nil
}

// MarshalText is String.
func (u UUID) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText is Parse.
func (u *UUID) UnmarshalText(text []byte) (err error) {
	*u, err = Parse(string(text))
	return err
}

// Serial is the serial number of a FAT file system, which replaces a UUID.
type Serial uint32

// String is the number in the form of blkid, such as 4F68-BCE3.
func (n Serial) String() string { return fmt.Sprintf("%04X-%04X", uint32(n)>>16, uint32(n)&0xFFFF) }

// ParseSerial parses the form of String, in lower or upper case.
func ParseSerial(s string) (Serial, error) {
	if len(s) == 9 && s[4] == '-' {
		if b, err := hex.DecodeString(s[:4] + s[5:]); err == nil {
			return Serial(binary.BigEndian.Uint32(b)), nil
		}
	}
	return 0, fmt.Errorf("%q is not a serial number such as 4F68-BCE3", s)
}
