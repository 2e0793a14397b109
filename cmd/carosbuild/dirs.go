// SPDX-License-Identifier: MPL-2.0

package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/userns"
)

// dirs are where things of this user are kept.
type dirs struct {
	cache string // packages, blobs, caches of stages: may be deleted at any time between builds
	state string // logs
}

// packages is the cache of Debian packages.
func (d dirs) packages() string { return filepath.Join(d.cache, "debian") }

// logs have what the steps of builds have printed, and reports, in a directory for each build.
func (d dirs) logs() string { return filepath.Join(d.state, "logs") }

// blobs is the cache of compressed layers.
func (d dirs) blobs() oci.BlobCache { return oci.BlobCache{Dir: filepath.Join(d.cache, "blobs")} }

// layers is the cache of layers that are read as tar streams.
func (d dirs) layers() oci.TarCache { return oci.TarCache{Dir: filepath.Join(d.cache, "layers")} }

// pins remember what names were resolved to.
func (d dirs) pins() resolve.Pins { return resolve.Pins{Dir: filepath.Join(d.cache, "pins")} }

// built remembers the names of results, beside the pins: they stay as long.
func (d dirs) built() history.Built { return history.Built{Dir: d.pins().Dir} }

// history remembers the plans of builds.
func (d dirs) history() history.History {
	return history.History{Dir: filepath.Join(d.cache, "history")}
}

// dirs are the directories of carosbuild, which nobody but the caller reaches.
func (a *app) dirs() (dirs, error) {
	home := a.getenv("HOME")
	base := func(variable, below string) (string, error) {
		if d := a.getenv(variable); filepath.IsAbs(d) {
			return filepath.Join(d, "carosbuild"), nil
		}
		if !filepath.IsAbs(home) {
			return "", &remedy.Error{Tried: "neither " + variable + " nor HOME is an absolute path", Cure: "set HOME"}
		}
		return filepath.Join(home, below, "carosbuild"), nil
	}
	cache, err := base("XDG_CACHE_HOME", ".cache")
	if err != nil {
		return dirs{}, err
	}
	state, err := base("XDG_STATE_HOME", ".local/state")
	if err != nil {
		return dirs{}, err
	}
	d := dirs{cache: cache, state: state}
	for _, dir := range []string{cache, state} {
		if userns.Inside(a.getenv) { // it is done
			break
		}
		err := private(dir)
		if host, ok := errors.AsType[*remedy.Error](err); ok {
			host.Tried = fmt.Sprintf("%s cannot be used, HOME is %q: %s", dir, home, host.Tried)
		}
		if err != nil {
			return dirs{}, err
		}
	}
	return d, nil
}
