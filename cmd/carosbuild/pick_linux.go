// SPDX-License-Identifier: MPL-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
)

// pick finds the stage that a name means among those in the store, and says
// which it is where the name leaves that open.
func (a *app) pick(s *layer.Store, failed bool, name string) (history.Picked, error) {
	builds := a.builds(layer.Paths{GraphRoot: s.GraphRoot()})
	images, err := s.Images()
	if err != nil {
		return history.Picked{}, err
	}
	found, err := a.picker(history.StoredStages(images, builds, a.visible()), failed).Pick(name)
	if err != nil {
		return found, err
	}
	id, _, _ := strings.Cut(name, ":")
	if found.Name() != name && a.progress != "quiet" && !(a.stageShown && id == found.BuildID) {
		fmt.Fprintf(a.stderr, "%s is %s\n", name, found.Name())
	}
	return found, builds.Use(found.BuildID, time.Now())
}

// stageImage is the name of the image that is meant: of a stage, see
// history.Picker, or of any other image in the store.
func (a *app) stageImage(s *layer.Store, failed bool, name string) (string, error) {
	found, err := a.pick(s, failed, name)
	if err == nil {
		return history.ImageName(found.BuildID, found.Stage), nil
	}
	none := (*history.NoStageError)(nil)
	if !errors.As(err, &none) {
		return "", a.pickError(err)
	}
	if _, ok, err := s.ImageByName(name); err != nil || ok {
		return name, err
	}
	id, _, _ := strings.Cut(name, ":")
	if a.hidden(s)(id) {
		return "", usagef("build %s is somebody else's: --foreign shows those", id)
	}
	return "", usagef("no image or stage %s is stored%s\n%-12s carosbuild images lists them, carosbuild pull fetches one", name, none.Hint, "remedy:")
}
