// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Config is the configuration of an image that is being built: the environment of
// its commands, and its history. It does not include the layers.
type Config struct{ v1.ConfigFile }

// SetEnv sets an environment variable, and replaces an earlier value.
func (c *Config) SetEnv(name, value string) {
	c.Config.Env = slices.Clone(c.Config.Env)
	for i, kv := range c.Config.Env {
		if k, _, _ := strings.Cut(kv, "="); k == name {
			c.Config.Env[i] = name + "=" + value
			return
		}
	}
	c.Config.Env = append(c.Config.Env, name+"="+value)
}

// Environ is the environment as pairs of name and value.
func (c *Config) Environ() [][2]string {
	out := make([][2]string, 0, len(c.Config.Env))
	for _, kv := range c.Config.Env {
		k, v, _ := strings.Cut(kv, "=")
		out = append(out, [2]string{k, v})
	}
	return out
}

// AddHistory appends an entry to the image's history; empty says that it made no
// layer. If an image from elsewhere has layers and no history, an entry for each of
// them is added first: with the new entry alone there would be too few.
func (c *Config) AddHistory(by string, at time.Time, empty bool) {
	if len(c.History) == 0 {
		c.History = make([]v1.History, len(c.RootFS.DiffIDs))
	}
	c.History = append(slices.Clone(c.History), v1.History{CreatedBy: by, Created: v1.Time{Time: at}, EmptyLayer: empty})
	c.Created = v1.Time{Time: at}
}

// NewConfig is the configuration of an empty Linux image for a Debian
// architecture.
func NewConfig(arch string) Config {
	p := PlatformOf(arch)
	return Config{v1.ConfigFile{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}}
}

// ParseConfig reads the configuration of an image.
func ParseConfig(doc []byte) (Config, error) {
	c, err := v1.ParseConfigFile(bytes.NewReader(doc))
	if err != nil {
		return Config{}, err
	}
	return Config{*c}, nil
}

// SetLayers sets the layers of the image, the lowest first.
func (c *Config) SetLayers(diffIDs []v1.Hash) {
	c.RootFS = v1.RootFS{Type: "layers", DiffIDs: diffIDs}
}

// CheckHistory refuses a history that describes more or fewer layers than the image
// has, which podman and registries consider damaged. No history is allowed.
func (c Config) CheckHistory() error {
	if len(c.History) == 0 {
		return nil
	}
	n := 0
	for _, h := range c.History {
		if !h.EmptyLayer {
			n++
		}
	}
	if n != len(c.RootFS.DiffIDs) {
		return fmt.Errorf("the history has %d layers, the image %d", n, len(c.RootFS.DiffIDs))
	}
	return nil
}
