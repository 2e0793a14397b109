// SPDX-License-Identifier: MPL-2.0

package declfile

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/confine"
	"github.com/carosio/carosbuild/pkg/kas"
)

// ConfineFlag defines --confine.
func ConfineFlag(a *cli.App, f *pflag.FlagSet) {
	f.StringArrayVar(&a.Confine, "confine", filepath.SplitList(a.Env("CONFINE", "")), "let declarations name files of this folder and of their own only, / for all (default their own if CI=true); may be repeated")
}

// Confine determines what declarations may read from here on.
func Confine(a *cli.App, names []string, cache string) (err error) {
	a.Within, err = readable(a, names, cache)
	return err
}

// readable are the folders that the declarations may read: their own and those of
// --confine, or everything if no restriction is requested.
func readable(a *cli.App, names []string, cache string) (*confine.Roots, error) {
	if len(a.Confine) == 0 && a.Getenv("CI") != "true" || slices.ContainsFunc(a.Confine, func(dir string) bool { return filepath.Clean(dir) == "/" }) {
		return nil, nil
	}
	folders := []string{unpackDir(cache)}
	for _, dir := range a.Confine {
		if dir == "" {
			return nil, cli.Usagef("--confine: the name of a folder is missing")
		}
		folders = append(folders, dir)
	}
	for _, name := range names {
		files := KasFiles(name)
		if files == nil {
			folders = append(folders, filepath.Dir(name))
			continue
		}
		abs, err := filepath.Abs(files[0])
		if err != nil {
			return nil, err
		}
		folders = append(folders, kas.Repository(abs))
		if work := a.Getenv("KAS_WORK_DIR"); work != "" {
			folders = append(folders, work)
		}
	}
	return confine.New(folders)
}

// checkNamed refuses a named file that is a link out of the folders: someone who
// can change the declaration may have made the link.
func checkNamed(r *confine.Roots, name string) error {
	if _, outside := confine.Is(r.Check(name)); outside {
		return cli.Usage(fmt.Errorf("%s is a link to a file outside of the folders that a declaration may read\n%-12s %s", name, "remedy:", confine.Remedy))
	}
	return nil
}
