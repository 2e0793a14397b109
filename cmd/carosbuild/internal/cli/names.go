// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// CleanBuildID drops characters that a build id must not have; it becomes part of
// an image name, which has no capital letters.
func CleanBuildID(id string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, id)
}

// BuildIDs matches the ids that give valid image names for podman, which lists no
// images at all if one name is invalid.
var BuildIDs = lazyregexp.New(`^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$`)

// DefaultBuildID is redomat's: local date and time, and the user.
func DefaultBuildID(now time.Time, user string) string {
	id := CleanBuildID(now.Format("2006-01-02-150405") + "-" + user)
	if !BuildIDs().MatchString(id) { // a user name such as _apt
		return now.Format("2006-01-02-150405")
	}
	return id
}

// IsElsewhere reports whether a source is an image outside the store: in a
// registry, an OCI layout or a docker archive.
func IsElsewhere(source string) bool {
	for _, kind := range []string{"oci:", "docker-archive:", "docker://"} {
		if strings.HasPrefix(source, kind) {
			return true
		}
	}
	return false
}
