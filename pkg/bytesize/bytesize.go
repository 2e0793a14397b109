// SPDX-License-Identifier: MPL-2.0

// Package bytesize reads and prints numbers of bytes as people write them.
package bytesize

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are powers of 1024, from the first.
const units = "KMGT"

// Error says why a text is not a size.
type Error struct {
	Text     string
	TooLarge bool // it is a number, of more bytes than there can be
}

func (e *Error) Error() string {
	if e.TooLarge {
		return fmt.Sprintf("size %q is too large", e.Text)
	}
	return fmt.Sprintf("size %q is not a number, alone or followed by K, M, G or T", e.Text)
}

// Parse reads a size in bytes: digits, then nothing or one of K, M, G, T for
// powers of 1024, such as 8G or 512. Nothing else is taken: no sign, no fraction,
// no blank. The error is an *Error.
func Parse(s string) (int64, error) {
	digits, shift := s, 0
	if i := strings.IndexAny(s, units); i >= 0 && i == len(s)-1 {
		digits, shift = s[:i], 10*(1+strings.IndexByte(units, s[i]))
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, &Error{Text: s}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, &Error{Text: s, TooLarge: true}
	}
	return n << shift, nil
}

// Partition is how large a partition is to be. The zero value leaves it open.
type Partition struct {
	// Bytes is the size; with Fit, what there is beside the content.
	Bytes int64
	Fit   bool // as large as its content takes
	Rest  bool // what the disk has left
}

// ParsePartition reads what Parse does, "fit", "fit+512M" and "rest".
func ParsePartition(s string) (Partition, error) {
	switch extra, plus := strings.CutPrefix(s, "fit+"); {
	case s == "fit":
		return Partition{Fit: true}, nil
	case s == "rest":
		return Partition{Rest: true}, nil
	case plus:
		n, err := Parse(extra)
		return Partition{Bytes: n, Fit: err == nil}, err
	}
	n, err := Parse(s)
	return Partition{Bytes: n}, err
}
