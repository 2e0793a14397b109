// SPDX-License-Identifier: MPL-2.0

package declfile

import (
	"io/fs"
	"path/filepath"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/decl/load"
	"github.com/carosio/carosbuild/targets"
)

// BuiltIn are the names of the built-in declarations.
func BuiltIn() []string {
	names, err := fs.Glob(targets.FS, "*.xml")
	if err != nil {
		return nil
	}
	return names
}

// loader reads built-in declarations, and declarations from files that may be read.
func loader(a *cli.App, cache string) load.Loader {
	return load.Loader{BuiltIn: targets.FS, Dir: unpackDir(cache), Within: a.Within}
}

// unpackDir is the directory into which the files of built-in declarations are
// unpacked.
func unpackDir(cache string) string { return filepath.Join(cache, "targets") }
