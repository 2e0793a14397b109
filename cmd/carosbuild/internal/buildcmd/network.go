// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/sandbox"
)

// checkStageNetworks keeps a declaration that is confined from having the host's network,
// unless the caller gives it.
func (c *buildCommand) checkStageNetworks(p *plan.Plan) error {
	if c.Within == nil || c.network == string(sandbox.HostNetwork) {
		return nil
	}
	for _, s := range p.Stages {
		if s.Network == string(sandbox.HostNetwork) {
			return cli.Usagef("stage %q asks for the host's network, which a declaration cannot have in CI or with --confine\n%-12s %s", s.ID, "remedy:", "--network host, which gives it to all stages that do not say network=\"auto\" or \"none\"")
		}
	}
	return nil
}
