// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/remedy"
)

// keptPlace is the place of one kind of data, and the variable that moves it.
type keptPlace struct{ what, dir, variable string }

func keptPlaces(p layer.Paths, d cli.Dirs) []keptPlace {
	return []keptPlace{{"layers", p.GraphRoot, "XDG_DATA_HOME"}, {"downloads and caches", d.Cache, "XDG_CACHE_HOME"}, {"logs", d.State, "XDG_STATE_HOME"}}
}

// Full adds the remedy to an error that a full file system has caused: how much is free
// in which place, and how to free space. Other errors are returned unchanged.
func Full(p layer.Paths, d cli.Dirs, err error) error {
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	full := func(err error) error { return &remedy.Full{Err: err, Cure: fullCure(keptPlaces(p, d))} }
	if step, ok := errors.AsType[*plan.StepError](err); ok && step.Err != nil {
		step.Err = full(step.Err)
		return err
	}
	return full(err)
}

// fullCure says how much is free in places, and what to do.
func fullCure(places []keptPlace) string {
	var free []string
	for _, p := range places {
		var st unix.Statfs_t
		if unix.Statfs(p.dir, &st) != nil {
			continue // it was never created
		}
		left := bytesize.Format(int64(st.Bavail) * st.Frsize)
		if st.Files > 0 && st.Ffree == 0 {
			left = "no more files, although " + left
		}
		free = append(free, fmt.Sprintf("%s for %s in %s (%s)", left, p.what, p.dir, p.variable))
	}
	return "carosbuild prune makes room, and the variables name other places; free now: " + strings.Join(free, ", ")
}
