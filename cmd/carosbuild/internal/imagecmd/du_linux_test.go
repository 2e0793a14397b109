// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

func TestPrintUsage(t *testing.T) {
	var out bytes.Buffer
	c := duCommand{pruneCommand: pruneCommand{App: &cli.App{Stdout: &out}}}
	err := c.print([]usage{{kindBuilds, 3, 0, 1, 0}, {kindLayers, 12, 5 << 20, 4, 1 << 20}, {kindTars, 0, 0, 0, 0}})
	want := "KIND    NUMBER  SIZE   PRUNE REMOVES\n" +
		"builds  3       -      1\n" +
		"layers  12      5 MiB  4, 1 MiB\n" +
		"tars    0       0 B    0\n" +
		"total           5 MiB  1 MiB\n"
	if diff := cmp.Diff(out.String(), want); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}
