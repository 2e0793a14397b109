// SPDX-License-Identifier: MPL-2.0

package key

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// keyVersion changes when the same declaration would give another result, so
// that what an older version has stored is not taken.
const keyVersion = "carosbuild step 1"

// Of is the SHA-256 of the fields, each preceded by its length as 8 bytes
// little endian: no two lists of fields give the same bytes.
func Of(fields ...string) string {
	h := sha256.New()
	var n [8]byte
	for _, f := range append([]string{keyVersion}, fields...) {
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
