// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseSize reads a size in bytes: digits, then nothing or one of K, M, G, T
// for powers of 1024, such as 8G or 512.
func ParseSize(s string) (int64, error) {
	digits, unit := s, int64(1)
	if i := strings.IndexAny(s, "KMGT"); i >= 0 && i == len(s)-1 {
		digits, unit = s[:i], int64(1)<<(10*(1+strings.IndexByte("KMGT", s[i])))
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("size %q is not a number with K, M, G, T or nothing behind it", s)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("size %q is too large", s)
	}
	return n * unit, nil
}

// partitionSize is a parsed Partition.Size.
type partitionSize struct {
	bytes int64 // the size, or with fit what is left free
	fit   bool
	rest  bool
}

func parsePartitionSize(s string) (partitionSize, error) {
	switch extra, plus := strings.CutPrefix(s, "fit+"); {
	case s == "" || s == "fit":
		return partitionSize{fit: true}, nil
	case s == "rest":
		return partitionSize{rest: true}, nil
	case plus:
		n, err := ParseSize(extra)
		return partitionSize{bytes: n, fit: true}, err
	}
	n, err := ParseSize(s)
	if err == nil && n == 0 {
		err = fmt.Errorf("size %q is nothing", s)
	}
	return partitionSize{bytes: n}, err
}
