// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/userns"
)

// leastMemory is the smallest useful store in memory, in bytes: a stage of a few
// hundred packages fits into it.
const leastMemory = 1 << 30

// PlaceCure is the remedy if the store cannot be in its place.
const PlaceCure = "put the store on a volume or another file system: CAROSBUILD_HOME=DIR, or graphroot in storage.conf"

// MemoryStore is the maximum size of a store in memory, which is used if there is no
// better place; why is the reason. The rest of the memory is for the programs in
// steps.
func MemoryStore(why error) (int64, error) {
	free, err := userns.FreeMemory()
	if err != nil {
		return 0, errors.Join(why, err)
	}
	if bound := free / 4 * 3; bound >= leastMemory {
		return bound, nil
	}
	return 0, &remedy.Error{
		Tried: fmt.Sprintf("%v; it does not fit into memory either, of which only %s are free", why, bytesize.Format(free)),
		Cure:  PlaceCure,
	}
}

// podmanLine is the command that makes podman share the store.
const podmanLine = `mkdir -p ~/.config/containers && printf '[storage]\ndriver = "overlay"\n' >~/.config/containers/storage.conf`

// PodmanNote says what prevents podman from showing the images of builds, or "", and the
// remedy.
func PodmanNote(a *cli.App, p layer.Paths) (detail, cure string) {
	if _, err := exec.LookPath("podman"); err != nil || a.Account().Root() {
		return "", ""
	}
	const hides = ", with which it does not show the images of builds"
	switch driver := p.PodmanDriver(); {
	case driver == "" && p.Driver == "":
		return "podman is not told which storage driver to use, and Debian 12's takes vfs" + hides, podmanLine
	case driver == "vfs" && p.Driver == "":
		return "podman has chosen the storage driver vfs" + hides + "; after the remedy, it has lost what it had with vfs",
			podmanLine + " && rm -r " + render.QuoteArg(filepath.Join(p.GraphRoot, "libpod"))
	case driver != "overlay":
		return "podman is set to the storage driver " + driver + hides, `set driver = "overlay" in storage.conf`
	}
	return "", ""
}

// FirstBuild reports whether the store has no images yet.
func FirstBuild(p layer.Paths) bool {
	images, err := p.Images()
	return err == nil && len(images) == 0
}

// CheckPlace reports, before anything is fetched, a place in which a build cannot
// work.
func CheckPlace(a *cli.App, p layer.Paths) error {
	if userns.Inside(a.Getenv) {
		return nil
	}
	if why := snapshot.CheckPlace(p.GraphRoot); why != nil {
		_, err := MemoryStore(why)
		return err
	}
	return nil
}

// settle determines the kind of snapshots that is possible in the store's place; if
// none is, the store is in memory for this run.
func settle(ctx context.Context, a *cli.App, p layer.Paths) (snapshot.Kind, error) {
	kinds := SnapshotKinds(a)
	kind, slower, why := snapshot.Choose(p.GraphRoot, kinds)
	if why == nil {
		for _, w := range slower {
			a.Copies = "each step begins with a copy of its root file system: " + w.Reason()
		}
		return kind, nil
	}
	var place *snapshot.PlaceError
	if !errors.As(why, &place) {
		return "", why
	}
	if a.Rung(ctx).How == userns.Plain { // the mount would be owned by the caller there
		return "", &remedy.Error{Tried: why.Error(), Cure: PlaceCure}
	}
	bound, err := MemoryStore(why)
	if err != nil {
		return "", err
	}
	if err := userns.MountMemory(p.GraphRoot, bound); err != nil {
		return "", errors.Join(why, err)
	}
	kind, _, err = snapshot.Choose(p.GraphRoot, kinds)
	if err != nil {
		return "", &remedy.Error{Tried: fmt.Sprintf("%v; nor can it be in memory: %v", why, err), Cure: PlaceCure}
	}
	fmt.Fprintf(a.Stderr, "note: %v. It is in memory for this run (at most %s), and its stages are gone afterwards; to keep them, %s\n", why, bytesize.Format(bound), PlaceCure)
	return kind, nil
}

// SnapshotKinds are the kinds of snapshots that are to be tried.
func SnapshotKinds(a *cli.App) []snapshot.Kind {
	if a.Snapshots != "" {
		return []snapshot.Kind{snapshot.Kind(a.Snapshots)}
	}
	if _, r, ok := rung.All().Chosen(a.Getenv); ok {
		return r.Snapshots
	}
	return snapshot.Kinds()
}
