// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
)

// ImageRef is what a FROM names, with a relative path of a layout or archive
// looked up beside the declaration.
func ImageRef(s *decl.Stage, ref string) string {
	for _, kind := range []string{"oci:", "docker-archive:"} {
		path, ok := strings.CutPrefix(ref, kind)
		if ok && !filepath.IsAbs(path) && len(s.Dirs) > 0 {
			return kind + filepath.Join(s.Dirs[0], path)
		}
	}
	return ref
}

// DigestOf is the digest of a pinned reference, which counts for a key: where
// the image was taken from does not.
func DigestOf(pinned string) string {
	return pinned[strings.LastIndexByte(pinned, '@')+1:]
}
