// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/userns"
)

// DirsOrScratch returns the directories of carosbuild. If the account cannot have any,
// for instance in a container with a read-only root, it makes temporary directories,
// which Close removes. This is enough for a command that only reads.
func (a *App) DirsOrScratch() (Dirs, error) {
	if a.scratch != "" {
		return scratchDirs(a.scratch), nil
	}
	d, err := a.Dirs()
	if err == nil || !remedy.Is(err) || userns.Inside(a.Getenv) || a.Getenv(HomeVar) != "" {
		return d, err
	}
	dir, serr := makeScratch(a.Getenv)
	if serr != nil {
		return Dirs{}, errors.Join(err, serr)
	}
	a.scratch = dir
	reason, _ := errors.AsType[*remedy.Error](err)
	why := reason.Tried
	if reason.Err != nil {
		why += ": " + reason.Err.Error()
	}
	if a.Progress != "quiet" {
		fmt.Fprintf(a.Stderr, "note: %s; the cache of this run is %s and will be removed (to keep it, set %s)\n", why, dir, HomeVar)
	}
	return scratchDirs(dir), nil
}

func scratchDirs(dir string) Dirs {
	return Dirs{Cache: filepath.Join(dir, "cache"), State: filepath.Join(dir, "state")}
}

// Scratch is the directory that replaces those of the account in this run, or "".
func (a *App) Scratch() string { return a.scratch }

// makeScratch makes a directory for temporary files, in memory if no other place is
// writable.
func makeScratch(getenv func(string) string) (string, error) {
	var errs error
	for _, base := range []string{getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm"} {
		if !filepath.IsAbs(base) {
			continue
		}
		dir, err := os.MkdirTemp(base, "carosbuild-")
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		for _, d := range []string{"cache", "state"} {
			if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
				return "", errors.Join(err, os.RemoveAll(dir))
			}
		}
		return dir, nil
	}
	return "", fmt.Errorf("make a directory for temporary files: %w", errs)
}

// Close removes what was made only for this run.
func (a *App) Close() error {
	if a.scratch == "" {
		return nil
	}
	dir := a.scratch
	a.scratch = ""
	return beneath.RemoveAll(dir)
}
