// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
)

// Pick finds the stage that a name means among those in the store, and prints which
// one it is if the name leaves that open.
func Pick(ctx context.Context, a *cli.App, s *layer.Store, failed bool, name string) (history.Picked, error) {
	builds := Builds(layer.Paths{GraphRoot: s.GraphRoot()})
	images, err := s.Images()
	if err != nil {
		return history.Picked{}, err
	}
	found, err := Picker(ctx, a, history.StoredStages(images, builds, a.Visible()), failed).Pick(name)
	if err != nil {
		return found, err
	}
	id, _, _ := strings.Cut(name, ":")
	if found.Name() != name && a.Progress != "quiet" && !(a.StageShown && id == found.BuildID) {
		fmt.Fprintf(a.Stderr, "%s is %s\n", name, found.Name())
	}
	return found, builds.Use(found.BuildID, time.Now())
}

// StageImage is the name of the image that is meant: of a stage, see
// history.Picker, or any other image in the store.
func StageImage(ctx context.Context, a *cli.App, s *layer.Store, failed bool, name string) (string, error) {
	found, err := Pick(ctx, a, s, failed, name)
	if err == nil {
		return history.ImageName(found.BuildID, found.Stage), nil
	}
	none := (*history.NoStageError)(nil)
	if !errors.As(err, &none) {
		return "", PickError(err)
	}
	if _, ok, err := s.ImageByName(name); err != nil || ok {
		return name, err
	}
	id, _, _ := strings.Cut(name, ":")
	if Hidden(a, s)(id) {
		return "", cli.Usagef("build %s belongs to another user: --foreign shows those builds", id)
	}
	return "", cli.Usagef("there is no image or stage %s in the store%s\n%-12s carosbuild images lists them, carosbuild pull fetches one", name, none.Hint, "remedy:")
}
