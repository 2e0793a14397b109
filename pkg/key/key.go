// SPDX-License-Identifier: MPL-2.0

package key

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// stepVersion changes when the same declaration would give another result, so
// that what an older version has stored is not taken.
const stepVersion = "carosbuild step 1"

// nameVersion changes when what is kept under a name would mean something else: pins
// would be looked up anew, and caches of stages begin empty. That it reads like the
// first version of steps says nothing about them.
const nameVersion = "carosbuild step 1"

// Step is the key of a step that is made of these fields: 64 hexadecimal digits.
func Step(fields ...string) string { return digest(stepVersion, fields) }

// Name is the name of something that this machine keeps, such as a pin or a cache,
// likewise 64 hexadecimal digits. Another version of steps does not change it.
func Name(fields ...string) string { return digest(nameVersion, fields) }

// IsKey reports whether a text is as Step and Name give it.
func IsKey(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

// digest is the SHA-256 of a version and of fields, each preceded by its length as 8
// bytes little endian: no two lists of fields give the same bytes.
func digest(version string, fields []string) string {
	h := sha256.New()
	var n [8]byte
	for _, f := range append([]string{version}, fields...) {
		binary.LittleEndian.PutUint64(n[:], uint64(len(f)))
		h.Write(n[:])
		h.Write([]byte(f))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// List makes one field of several, so that lists that follow each other do
// not run together.
func List(items []string) string {
	var b []byte
	for _, s := range items {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	return string(b)
}
