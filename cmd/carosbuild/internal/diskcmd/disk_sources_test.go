// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"testing"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// TestLacks expects the command that builds the missing stage.
func TestLacks(t *testing.T) {
	c := &diskCommand{App: cli.New(), declFiles: []string{"yocto-vmware.xml"}}
	c.Out = []string{"x.vmdk"}
	const text = "disk yocto-vmware takes files from stage yocto-boot-x86, which build plain does not have\nremedy:      carosbuild "
	for declared, want := range map[string]string{
		"caros.xml":        "caros.xml yocto-vmware.xml --out x.vmdk builds it; what bitbake has built is not run again",
		"yocto-vmware.xml": "yocto-vmware.xml --out x.vmdk builds it; what bitbake has built is not run again",
		"":                 "FILE... yocto-vmware.xml --out x.vmdk builds it; what bitbake has built is not run again",
	} {
		var files []string
		if declared != "" {
			files = []string{declared}
		}
		if got := c.lacks("yocto-vmware", "yocto-boot-x86", "plain", files).Error(); got != text+want {
			t.Errorf("%q: got\n%s\nwant\n%s", declared, got, text+want)
		}
	}
}
