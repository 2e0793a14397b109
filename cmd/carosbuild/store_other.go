// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package main

import (
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/layer"
)

// storePaths are of a store that has no images: no other system than Linux has one.
func (a *app) storePaths() (layer.Paths, error) {
	d, err := a.dirs()
	return layer.Paths{GraphRoot: filepath.Join(d.state, "storage")}, err
}

// checkPlace ends a build before anything is fetched for it.
func (a *app) checkPlace(layer.Paths) error { return needsLinux("a build") }
