// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"
)

// fileHash is what an index says about a file.
type fileHash struct {
	Sum  string // lower-case hex of a SHA256, or of a SHA512 where an archive has no other
	Size int64
}

// isSum is the grammar that a digest must have before it becomes a name. Its
// length tells which one it is.
func isSum(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && (len(s) == 2*sha256.Size || len(s) == 2*sha512.Size) && strings.ToLower(s) == s
}

// sumName is the field and directory that a digest belongs to.
func sumName(s string) string {
	if len(s) == 2*sha512.Size {
		return "SHA512"
	}
	return "SHA256"
}

// newHash computes digests of the kind of s.
func newHash(s string) hash.Hash {
	if len(s) == 2*sha512.Size {
		return sha512.New()
	}
	return sha256.New()
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
