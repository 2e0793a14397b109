// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"context"
	"errors"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
)

// Picker finds stages by the names that users give. With failed, a build that
// failed may stand for its unfinished stage.
func Picker(ctx context.Context, a *cli.App, stages []history.StoredStage, failed bool) history.Picker {
	return history.Picker{Stages: stages, Owner: a.Owner(), Failed: failed, Info: func(id string) history.BuildInfo { return BuildInfo(ctx, a, id) }}
}

// BuildInfo is what is known about a build.
func BuildInfo(ctx context.Context, a *cli.App, id string) history.BuildInfo {
	p, err := Paths(ctx, a)
	if err != nil {
		return history.BuildInfo{}
	}
	d, err := a.Dirs()
	if err != nil {
		info, _ := Builds(p).Read(id)
		return info
	}
	return Builds(p).Known(id, d.Logs())
}

// PickError turns a mistake in a name into a usage error.
func PickError(err error) error {
	many, none := (*history.ManyStagesError)(nil), (*history.NoStageError)(nil)
	if errors.As(err, &many) || errors.As(err, &none) {
		return cli.Usage(err)
	}
	return err
}

// Stages reads the store's index: all stages that the caller may name, and all
// images. The store need not exist.
func Stages(ctx context.Context, a *cli.App) ([]history.StoredStage, []layer.Image, error) {
	p, err := Paths(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	images, err := p.Images()
	if err != nil {
		return nil, nil, err
	}
	return history.StoredStages(images, Builds(p), a.Visible()), images, nil
}

// Builds are the notes about the builds of a store.
func Builds(p layer.Paths) history.Builds {
	return history.Builds{Dir: history.BuildsDir(p.GraphRoot)}
}

// Pulled are the notes about images that were pulled into a store.
func Pulled(p layer.Paths) history.Pulled {
	return history.Pulled{Dir: history.PulledDir(p.GraphRoot)}
}
