// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"strconv"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
)

// Mode is the permissions of a file, as chmod(2) has them.
type Mode uint32

// The values of attributes, typed. A malformed value is reported by the checker;
// here it counts as not given.

// sizeOf is a number of bytes, or 0 if it is not given.
func sizeOf(n *xmltext.Node, attr string) int64 {
	v, err := bytesize.Parse(n.Value(attr))
	if err != nil {
		return 0
	}
	return v
}

// numberOf is nil if the number is not given.
func numberOf(n *xmltext.Node, attr string) *int {
	v, err := strconv.Atoi(n.Value(attr))
	if err != nil {
		return nil
	}
	return &v
}

// countOf is 0 if the number is not given.
func countOf(n *xmltext.Node, attr string) int {
	if v := numberOf(n, attr); v != nil {
		return *v
	}
	return 0
}

// uuidOf is nil if no UUID is given.
func uuidOf(n *xmltext.Node, attr string) *uuid.UUID {
	v, err := uuid.Parse(n.Value(attr))
	if err != nil {
		return nil
	}
	return &v
}

// serialOf is nil if no serial number is given.
func serialOf(n *xmltext.Node, attr string) *uuid.Serial {
	v, err := uuid.ParseSerial(n.Value(attr))
	if err != nil {
		return nil
	}
	return &v
}

// modeOf is 0644 if no mode is given.
func modeOf(n *xmltext.Node, attr string) Mode {
	v, err := strconv.ParseUint(n.Value(attr), 8, 12)
	if err != nil {
		return 0o644
	}
	return Mode(v)
}

// durationOf is 0 if no duration is given.
func durationOf(n *xmltext.Node, attr string) time.Duration {
	v, err := time.ParseDuration(n.Value(attr))
	if err != nil {
		return 0
	}
	return v
}

// hardwareOf returns the numbers of words such as vmx-13.
func hardwareOf(n *xmltext.Node, attr string) []int {
	var all []int
	for _, w := range strings.Fields(n.Value(attr)) {
		if v, err := strconv.Atoi(strings.TrimPrefix(w, "vmx-")); err == nil {
			all = append(all, v)
		}
	}
	return all
}
