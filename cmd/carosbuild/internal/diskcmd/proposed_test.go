// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"strings"
	"testing"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/decl"
)

// TestProposedCommands: the commands that messages suggest can be copied.
func TestProposedCommands(t *testing.T) {
	bakes := &decl.Declaration{Stages: []*decl.Stage{{ID: "s", Actions: []decl.Action{&decl.Bitbake{}}}}}
	boot := &bootCommand{App: &cli.App{}, declFiles: []string{"my decl.xml"}, path: "my disk.img"}
	_, noDisk := boot.declaredDisk(bakes)
	d := &diskCommand{App: &cli.App{}, declFiles: []string{"my decl.xml"}, DiskFlags: DiskFlags{Out: []string{"my disk.img"}}}
	for what, c := range map[string]struct{ got, want string }{
		"a stage that is missing": {d.lacks("d", "s", "b", nil).Error(), "carosbuild FILE... 'my decl.xml' --out 'my disk.img' builds it"},
		"boot with an overlay":    {noDisk.Error(), "carosbuild boot 'my disk.img' --declaration OVERLAY"},
		"boot of a declaration":   {boot.run(t.Context(), "my disk.xml").Error(), "carosbuild boot DISK --declaration 'my disk.xml'"},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%s: got %s, want %s", what, c.got, c.want)
		}
	}
}
