// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package main

import (
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/remedy"
)

// needsLinux is the error for what works with the store of images.
func needsLinux(what string) error {
	return &remedy.Error{
		Tried: fmt.Sprintf("%s needs Linux, and this is %s", what, runtime.GOOS),
		Cure:  "run it in a virtual machine or a container with Linux; carosbuild --help lists what works here",
	}
}

// storePaths are of a store that has no images: no other system than Linux has one.
func (a *app) storePaths() (layer.Paths, error) {
	d, err := a.dirs()
	return layer.Paths{GraphRoot: filepath.Join(d.state, "storage")}, err
}

// records has nothing: no step has run on this system.
type records struct{}

// Lookup finds nothing.
func (*records) Lookup(string) (layer.Record, bool, error) { return layer.Record{}, false, nil }

func (j *job) openRecords() { j.records = &records{} }
