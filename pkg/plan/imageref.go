// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
)

// ImageRef is the image that a FROM names. A relative path of a layout or archive
// is resolved against the declaration's directories.
func ImageRef(s *decl.Stage, ref string) string {
	for _, kind := range []string{"oci:", "docker-archive:"} {
		path, ok := strings.CutPrefix(ref, kind)
		if ok && !filepath.IsAbs(path) && len(s.Dirs) > 0 {
			return kind + filepath.Join(s.Dirs[0], path)
		}
	}
	return ref
}

// DigestOf is the digest of a pinned reference. It becomes part of a key; the place
// from which the image was taken does not.
func DigestOf(pinned string) string {
	return pinned[strings.LastIndexByte(pinned, '@')+1:]
}
