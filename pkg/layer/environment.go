// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Environment is what an image's commands find in their environment, as
// NAME=VALUE, by the image's configuration. Of an image in a registry nothing
// else is fetched, and of one in the local store neither a namespace nor an
// opened store is needed.
func (r Registry) Environment(ctx context.Context, ref, arch string) ([]string, error) {
	f, err := r.find(ctx, ref, arch)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", ref, err)
	}
	var config []byte
	switch {
	case f.id != "":
		config, err = r.storedConfig(f.id)
	case f.image != nil:
		config, err = f.image.RawConfigFile()
	default: // scratch
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", ref, err)
	}
	cfg, err := v1.ParseConfigFile(bytes.NewReader(config))
	if err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", ref, err)
	}
	return cfg.Config.Env, nil
}

// storedConfig reads the configuration of an image in the store: a file named
// after its digest, which is the image's id.
func (r Registry) storedConfig(id string) ([]byte, error) {
	p := r.Store
	if p.GraphRoot == "" {
		var err error
		if p, err = PodmanPaths(r.env, r.UID); err != nil {
			return nil, err
		}
	}
	name := "=" + base64.StdEncoding.EncodeToString([]byte("sha256:"+id))
	b, err := os.ReadFile(filepath.Join(p.GraphRoot, "overlay-images", id, name))
	if err != nil {
		return nil, err
	}
	if h, _, err := v1.SHA256(bytes.NewReader(b)); err != nil || h.Hex != id {
		return nil, fmt.Errorf("its digest is %s: %w", h, ErrDamaged)
	}
	return b, nil
}
