// SPDX-License-Identifier: MPL-2.0

package declfile

import (
	"io/fs"
	"path/filepath"

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

// loader reads declarations of files and built-in ones.
func loader(cache string) load.Loader {
	return load.Loader{BuiltIn: targets.FS, Dir: filepath.Join(cache, "targets")}
}
