// SPDX-License-Identifier: MPL-2.0

package history

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/key"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/sealed"
)

// Built remembers the name, BUILDID:STAGE, under which the result of a stage was
// stored last, by the stage's key: one small file for each. It may share its
// directory with resolve.Pins, whose files have other names.
type Built struct{ Dir string }

// builtName is the content of one file of Built.
type builtName struct {
	Name string `json:"built"`
}

func (b Built) path(stage *plan.Job) string {
	return filepath.Join(b.Dir, key.Name("built", stage.ID, stage.Key)+".json")
}

// Note remembers the names of all stages of a plan that a build has run.
func (b Built) Note(p *plan.Plan, buildID string) error {
	for i := range p.Stages {
		s := &p.Stages[i]
		data, err := sealed.Seal(builtName{buildID + ":" + s.ID})
		if err == nil {
			err = os.MkdirAll(b.Dir, 0o700)
		}
		if err == nil {
			err = freshfile.Replace(b.path(s), data, 0o600)
		}
		if err != nil {
			return fmt.Errorf("remember the name of stage %s: %w", s.ID, err)
		}
	}
	return nil
}

// Find is the image with the result of a stage, and its name, if one of the images
// has that name.
func (b Built) Find(stage *plan.Job, images []layer.Image) (name string, image layer.Image, ok bool) {
	var v builtName
	if ok, err := sealed.ReadSince(b.path(stage), &v); err != nil || !ok || v.Name == "" {
		return "", layer.Image{}, false
	}
	id, tag, _ := strings.Cut(v.Name, ":")
	i := slices.IndexFunc(images, func(i layer.Image) bool { return slices.Contains(i.Names, ImageName(id, tag)) })
	if i < 0 {
		return "", layer.Image{}, false
	}
	return v.Name, images[i], true
}

// Targets are the names of the results of a plan's targets, if all of them are among
// the images, and can be used as they are.
func (b Built) Targets(p *plan.Plan, images []layer.Image, usable func(buildID, image string) bool) ([]string, bool) {
	var names []string
	for i := range p.Stages {
		if !slices.Contains(p.Targets, p.Stages[i].ID) {
			continue
		}
		name, image, ok := b.Find(&p.Stages[i], images)
		id, _, _ := strings.Cut(name, ":")
		if !ok || !usable(id, image.ID) {
			return nil, false
		}
		names = append(names, name)
	}
	return names, true
}
