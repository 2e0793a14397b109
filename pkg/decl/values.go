// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"strconv"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
)

// Mode is the permissions of a file, as chmod(2) has them.
type Mode uint32

// The values of attributes, typed. What is wrong with one is a finding of the
// checker: here it is as if it were not given.

// size is a number of bytes, 0 if it is not given.
func (n *node) size(attr string) int64 {
	v, err := bytesize.Parse(n.value(attr))
	if err != nil {
		return 0
	}
	return v
}

// number is nil if it is not given.
func (n *node) number(attr string) *int {
	v, err := strconv.Atoi(n.value(attr))
	if err != nil {
		return nil
	}
	return &v
}

// count is 0 if it is not given.
func (n *node) count(attr string) int {
	if v := n.number(attr); v != nil {
		return *v
	}
	return 0
}

// uuid is nil if it is not given.
func (n *node) uuid(attr string) *uuid.UUID {
	v, err := uuid.Parse(n.value(attr))
	if err != nil {
		return nil
	}
	return &v
}

// serial is nil if it is not given, or a UUID is.
func (n *node) serial(attr string) *uuid.Serial {
	v, err := uuid.ParseSerial(n.value(attr))
	if err != nil {
		return nil
	}
	return &v
}

// mode is 0644 if it is not given.
func (n *node) mode(attr string) Mode {
	v, err := strconv.ParseUint(n.value(attr), 8, 12)
	if err != nil {
		return 0o644
	}
	return Mode(v)
}

// duration is 0 if it is not given.
func (n *node) duration(attr string) time.Duration {
	v, err := time.ParseDuration(n.value(attr))
	if err != nil {
		return 0
	}
	return v
}

// hardware are the numbers of words such as vmx-13.
func (n *node) hardware(attr string) []int {
	var all []int
	for _, w := range strings.Fields(n.value(attr)) {
		if v, err := strconv.Atoi(strings.TrimPrefix(w, "vmx-")); err == nil {
			all = append(all, v)
		}
	}
	return all
}
