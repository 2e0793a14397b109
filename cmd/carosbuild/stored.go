// SPDX-License-Identifier: MPL-2.0

package main

import (
	"errors"

	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
)

// picker finds stages by what a person calls them. With failed, a build that
// failed may stand for its half-done stage.
func (a *app) picker(stages []history.StoredStage, failed bool) history.Picker {
	return history.Picker{Stages: stages, Owner: a.owner(), Failed: failed, Info: a.buildInfo}
}

// buildInfo is what is known of a build.
func (a *app) buildInfo(id string) history.BuildInfo {
	p, err := a.storePaths()
	if err != nil {
		return history.BuildInfo{}
	}
	d, err := a.dirs()
	if err != nil {
		info, _ := a.builds(p).Read(id)
		return info
	}
	return a.builds(p).Known(id, d.logs())
}

// pickError makes a mistake in a name one of usage.
func (a *app) pickError(err error) error {
	many, none := (*history.ManyStagesError)(nil), (*history.NoStageError)(nil)
	if errors.As(err, &many) || errors.As(err, &none) {
		return usageError{err}
	}
	return err
}

// storedStages reads the store's index: all stages that the caller may mean, and
// all images. The store need not exist.
func (a *app) storedStages() ([]history.StoredStage, []layer.Image, error) {
	p, err := a.storePaths()
	if err != nil {
		return nil, nil, err
	}
	images, err := p.Images()
	if err != nil {
		return nil, nil, err
	}
	return history.StoredStages(images, a.builds(p), a.visible()), images, nil
}

func (a *app) builds(p layer.Paths) history.Builds {
	return history.Builds{Dir: history.BuildsDir(p.GraphRoot)}
}
