// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"bytes"
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Environment is the environment of an image's commands, as NAME=VALUE, from the
// image's configuration. For an image in a registry nothing else is fetched, and
// for one in the local store neither a namespace nor an open store is needed.
func (c Client) Environment(ctx context.Context, ref, arch string) ([]string, error) {
	f, err := c.Find(ctx, ref, arch)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", ref, err)
	}
	var config []byte
	switch {
	case f.StoredID != "":
		config, err = c.Store.ImageConfig(f.StoredID)
	case f.Image != nil:
		config, err = f.Image.RawConfigFile()
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
