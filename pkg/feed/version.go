// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"strconv"
	"strings"

	"pault.ag/go/debian/version"
)

// base is a version without its last suffix, which is what a rebuild of the
// same source changes: 1.0 of 1.0-r0.3.
func base(v string) string {
	if i := strings.LastIndexByte(v, '-'); i > 0 {
		return v[:i]
	}
	return v
}

// compareVersions orders versions as dpkg and opkg do. Unlike dpkg, opkg takes
// a version that does not begin with a digit, so none is refused here.
func compareVersions(a, b string) int { return version.Compare(splitVersion(a), splitVersion(b)) }

func splitVersion(s string) version.Version {
	var v version.Version
	if e, rest, ok := strings.Cut(s, ":"); ok {
		if n, err := strconv.ParseUint(e, 10, 31); err == nil {
			v.Epoch, s = uint(n), rest
		}
	}
	v.Version = s
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		v.Version, v.Revision = s[:i], s[i+1:]
	}
	return v
}

// holds reports whether version v is in the range that op and bound give. opkg
// reads < and > as <= and >=.
func holds(v, op, bound string) bool {
	c := compareVersions(v, bound)
	switch op {
	case "<<":
		return c < 0
	case "<=", "<":
		return c <= 0
	case "=":
		return c == 0
	case ">=", ">":
		return c >= 0
	case ">>":
		return c > 0
	}
	return false
}
