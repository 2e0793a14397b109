// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// CleanBuildID drops what a build id may not have; it becomes part of an image
// name, which has no capital letters.
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

// BuildIDs are those that podman can read the names of images with; it lists
// none at all when there is one that it cannot.
var BuildIDs = lazyregexp.New(`^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$`)

// DefaultBuildID is redomat's: local date and time, and the user.
func DefaultBuildID(now time.Time, user string) string {
	id := CleanBuildID(now.Format("2006-01-02-150405") + "-" + user)
	if !BuildIDs().MatchString(id) { // a user named _apt or so
		return now.Format("2006-01-02-150405")
	}
	return id
}

// IsElsewhere reports whether a source is an image that is not in the store: of a
// registry, an OCI layout or a docker archive.
func IsElsewhere(source string) bool {
	for _, kind := range []string{"oci:", "docker-archive:", "docker://"} {
		if strings.HasPrefix(source, kind) {
			return true
		}
	}
	return false
}
