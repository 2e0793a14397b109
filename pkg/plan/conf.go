// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/source/bitbake"
)

// Conf is the data from which bitbake's configuration files are made.
type Conf struct {
	Layers    bitbake.Layers `json:"layers"`
	LocalConf []string       `json:"local_conf,omitzero"` // fragments
}

// newConf takes the configuration out of a declaration.
func newConf(d *decl.Declaration) *Conf {
	if d.Base == nil {
		return nil
	}
	c := &Conf{Layers: bitbake.Layers{Base: d.Base.Repo}}
	for _, l := range d.Layers {
		c.Layers.Trees = append(c.Layers.Trees, bitbake.Layer{Name: l.Name, Subdirs: l.Subdirs})
	}
	if d.BBLayers != nil {
		c.Layers.Paths = d.BBLayers.Paths
	}
	for _, l := range d.BBLayersConf {
		c.Layers.Head = append(c.Layers.Head, l.Text)
	}
	for _, l := range d.LocalConf {
		c.LocalConf = append(c.LocalConf, l.Text)
	}
	return c
}

// bbLayers and localConf are the parts of the files that the declaration
// determines.
func (c *Conf) bbLayers() string { return bitbake.BBLayers(c.Layers, bitbake.Era{}) }

func (c *Conf) localConf() string { return bitbake.LocalConf(bitbake.Era{}, c.LocalConf) }
