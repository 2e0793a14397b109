// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"testing"

	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// Names that JSON would change are found before they are handed over.
func TestNotUTF8(t *testing.T) {
	const bad = "/srv/\xff/x"
	step := func(a plan.Action) handover {
		return handover{Plan: &plan.Plan{Stages: []plan.Job{{Steps: []plan.Step{{Action: &plan.Run{}}, {Action: a}}}}}}
	}
	out := step(&plan.Run{})
	out.Disks = []handedDisk{{Outs: []disk.Output{{Path: "/ok"}, {Path: bad}}}}
	for name, h := range map[string]handover{
		"source": step(&plan.Copy{Sources: []plan.Source{{Path: "/ok"}, {Path: bad}}}), "output": out,
		"image": step(&plan.From{Image: "oci:" + bad}), "keyring": step(&plan.Bootstrap{Wanted: debian.Bootstrap{Keyring: bad}}),
	} {
		if got := notUTF8(h); got != bad {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := notUTF8(step(&plan.Copy{Sources: []plan.Source{{Path: "/srv/ключ"}}})); got != "" {
		t.Errorf("got %q", got)
	}
}
