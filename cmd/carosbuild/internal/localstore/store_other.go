// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package localstore

import (
	"context"
	"path/filepath"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/layer"
)

// Paths is for a store without images: only Linux has one.
func Paths(_ context.Context, a *cli.App) (layer.Paths, error) {
	d, err := a.Dirs()
	return layer.Paths{GraphRoot: filepath.Join(d.State, "storage")}, err
}

// CheckPlace ends a build before anything is fetched for it.
func CheckPlace(*cli.App, layer.Paths) error { return cli.NeedsLinux("a build") }
