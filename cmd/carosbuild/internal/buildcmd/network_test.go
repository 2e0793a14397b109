// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"strings"
	"testing"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/confine"
	"github.com/carosio/carosbuild/pkg/plan"
)

// A declaration that is confined has the host's network only from its caller.
func TestCheckStageNetworks(t *testing.T) {
	within, err := confine.New([]string{t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		within         *confine.Roots
		network, stage string
		refused        bool
	}{
		{nil, "auto", "host", false},
		{within, "auto", "host", true},
		{within, "host", "host", false},
		{within, "auto", "", false},
		{within, "auto", "none", false},
	} {
		c := &buildCommand{planner: planner{App: &cli.App{Within: tt.within}}, runOptions: runOptions{network: tt.network}}
		err := c.checkStageNetworks(&plan.Plan{Stages: []plan.Job{{ID: "a"}, {ID: "b", Network: tt.stage}}})
		if (err != nil) != tt.refused || err != nil && !strings.Contains(err.Error(), `stage "b" asks for the host's network`) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
