// SPDX-License-Identifier: MPL-2.0

package declfile

import (
	"fmt"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/words"
	"github.com/carosio/carosbuild/targets"
)

// IsOverlay reports whether a file is a built-in disk that is made from what
// bitbake deploys.
func IsOverlay(file string) bool {
	_, ok := targets.OverlayNamed(file)
	return ok
}

// OverlayHint says which built-in overlay has a disk for a declaration that runs
// bitbake. Command makes a command from the overlay's name.
func OverlayHint(d *decl.Declaration, command func(overlay string) string) string {
	if !plan.RunsBitbake(d) {
		return ""
	}
	machine := plan.Machine(d)
	if file, _ := targets.Fitting(machine); file != "" {
		return fmt.Sprintf("; for machine %s there is a built-in one: %s", machine, command(file))
	}
	var files []string
	for _, o := range targets.Overlays() {
		if len(o.Best) > 0 {
			files = append(files, o.File)
		}
	}
	return "; built-in ones for what bitbake deploys are " + words.List(files) + ": " + command("OVERLAY")
}
