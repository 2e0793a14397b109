// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/source/files"
	"github.com/carosio/carosbuild/pkg/userns"
)

// Dirs are the directories of this user's data.
type Dirs struct {
	Cache string // packages, blobs, caches of stages: may be deleted at any time between builds
	State string // logs
}

// Packages is the cache of Debian packages.
func (d Dirs) Packages() string { return filepath.Join(d.Cache, "debian") }

// Logs has the output of builds' steps, and reports, in a directory for each build.
func (d Dirs) Logs() string { return filepath.Join(d.State, "logs") }

// Blobs is the cache of compressed layers.
func (d Dirs) Blobs() oci.BlobCache { return oci.BlobCache{Dir: filepath.Join(d.Cache, "blobs")} }

// Layers is the cache of layers that are read as tar streams.
func (d Dirs) Layers() oci.TarCache { return oci.TarCache{Dir: filepath.Join(d.Cache, "layers")} }

// Pins remember what names were resolved to.
func (d Dirs) Pins() resolve.Pins { return resolve.Pins{Dir: filepath.Join(d.Cache, "pins")} }

// Built remembers the names of results. It is beside the pins, and kept as long.
func (d Dirs) Built() history.Built { return history.Built{Dir: d.Pins().Dir} }

// Added remembers the digests of files that steps add.
func (d Dirs) Added() files.Memory { return files.Memory{Dir: filepath.Join(d.Cache, "added")} }

// History remembers the plans of builds.
func (d Dirs) History() history.History {
	return history.History{Dir: filepath.Join(d.Cache, "history")}
}

// HomeVar is the variable that moves all data of carosbuild to one directory.
const HomeVar = "CAROSBUILD_HOME"

// Home is the directory of CAROSBUILD_HOME, or "" if it is not set.
func (a *App) Home() (string, error) {
	home := a.Getenv(HomeVar)
	if home != "" && !filepath.IsAbs(home) {
		return "", Usagef("%s is %q: want an absolute path", HomeVar, home)
	}
	return home, nil
}

// HomeCure is the remedy if the directories of carosbuild cannot be used.
const HomeCure = "set " + HomeVar + " to a folder that you own and can write to, or HOME, or XDG_CACHE_HOME, XDG_STATE_HOME and XDG_DATA_HOME"

// places are the default directories of carosbuild.
func (a *App) places() (Dirs, error) {
	if home, err := a.Home(); err != nil || home != "" {
		return Dirs{Cache: filepath.Join(home, "cache"), State: filepath.Join(home, "state")}, err
	}
	home := a.home()
	base := func(variable, below string) (string, error) {
		if d := a.Getenv(variable); filepath.IsAbs(d) {
			return filepath.Join(d, "carosbuild"), nil
		}
		if !filepath.IsAbs(home) {
			return "", &remedy.Error{Tried: "neither " + variable + " nor HOME is an absolute path", Cure: HomeCure}
		}
		return filepath.Join(home, below, "carosbuild"), nil
	}
	cache, err := base("XDG_CACHE_HOME", ".cache")
	if err != nil {
		return Dirs{}, err
	}
	state, err := base("XDG_STATE_HOME", ".local/state")
	return Dirs{Cache: cache, State: state}, err
}

// Dirs returns the directories of carosbuild, which only the caller can access.
func (a *App) Dirs() (Dirs, error) {
	d, err := a.places()
	if err != nil {
		return Dirs{}, err
	}
	for _, dir := range []string{d.Cache, d.State} {
		if userns.Inside(a.Getenv) { // it has been done
			break
		}
		err := private(dir)
		if host, ok := errors.AsType[*remedy.Error](err); ok {
			name, value := HomeVar, a.Getenv(HomeVar)
			if value == "" {
				name, value = "HOME", a.home()
			}
			host.Tried = fmt.Sprintf("%s cannot be used, %s is %q: %s", dir, name, value, host.Tried)
			host.Cure = HomeCure
		}
		if err != nil {
			return Dirs{}, err
		}
	}
	return d, nil
}
