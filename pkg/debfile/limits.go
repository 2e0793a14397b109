// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"errors"
	"fmt"
	"io"
)

// Limits bound what a package may hold. A few kilobytes of xz can claim to be
// terabytes.
type Limits struct {
	Control  int64 // bytes of control.tar, decompressed
	Unpacked int64 // bytes of data.tar, decompressed
	Entries  int   // of data.tar
	Names    int64 // bytes of all paths and link targets in data.tar
}

// DefaultLimits are far beyond any package of a distribution.
func DefaultLimits() Limits {
	return Limits{Control: 16 << 20, Unpacked: 16 << 30, Entries: 1 << 20, Names: 256 << 20}
}

// ErrLimit is wrapped by the errors of a package that exceeds its Limits.
var ErrLimit = errors.New("larger than allowed")

// capped reads at most n bytes, and fails with ErrLimit where there are more.
type capped struct {
	r io.Reader
	n int64
}

func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.n+1 {
		p = p[:c.n+1]
	}
	n, err := c.r.Read(p)
	if int64(n) > c.n {
		return int(c.n), fmt.Errorf("content: %w", ErrLimit)
	}
	c.n -= int64(n)
	return n, err
}
