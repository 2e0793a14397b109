// SPDX-License-Identifier: MPL-2.0

package field

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"
)

// File is what an index says about a file.
type File struct {
	Sum  string // lower-case hex of a SHA256, or of a SHA512 if an archive has no SHA256
	Size int64
}

// IsSum checks the syntax of a digest before it is used as a name. Its length
// determines the algorithm.
func IsSum(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && (len(s) == 2*sha256.Size || len(s) == 2*sha512.Size) && strings.ToLower(s) == s
}

// SumName is the field and directory of a digest.
func SumName(s string) string {
	if len(s) == 2*sha512.Size {
		return "SHA512"
	}
	return "SHA256"
}

// NewHash returns the hash function for digests like s.
func NewHash(s string) hash.Hash {
	if len(s) == 2*sha512.Size {
		return sha512.New()
	}
	return sha256.New()
}

// HexSum is the sum of h in hexadecimal digits.
func HexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
