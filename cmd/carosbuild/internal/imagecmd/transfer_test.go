// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// TestTransfer: an image goes from a layout to a registry and back into layouts, and
// is the same one: no store is needed, and no namespace.
func TestTransfer(t *testing.T) {
	l, _ := ocitest.SampleLayout(t)
	home, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	remote := ocitest.MemoryRegistry(t, nil) + "/caros/base:1"
	var stdout, stderr strings.Builder
	a := &cli.App{Stdout: &stdout, Stderr: &stderr, Progress: "quiet", Getenv: func(name string) string {
		if name == "HOME" {
			return home
		}
		return ""
	}}
	run := func(cmd *cobra.Command, args ...string) error {
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(append(args, "--arch", "amd64"))
		return cmd.ExecuteContext(t.Context())
	}
	if err := run(NewPush(a), "oci:"+l.Dir, remote); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stdout.String(), remote+"@sha256:") {
		t.Errorf("printed %q", &stdout)
	}
	if err := run(NewExport(a), "docker://"+remote, "--to", "oci:"+out); err != nil {
		t.Fatal(err)
	}
	pulled := filepath.Join(t.TempDir(), "pulled")
	if err := run(NewPull(a), remote, "--to", "oci:"+pulled); err != nil {
		t.Fatal(err)
	}
	id := func(ref string) string {
		tars, err := a.Registry(layer.Paths{}).OpenTars(t.Context(), ref, "amd64", oci.TarCache{Dir: filepath.Join(home, "tars")})
		if err != nil {
			t.Fatal(err)
		}
		defer tars.Close()
		s, err := tars.Stored("")
		if err != nil {
			t.Fatal(err)
		}
		return s.ID
	}
	for _, dir := range []string{out, pulled} {
		if got, want := id("oci:"+dir), id("oci:"+l.Dir); got != want {
			t.Errorf("the image in %s is %s, want %s", dir, got, want)
		}
	}
	if err := run(NewPush(a), "oci:"+l.Dir, remote, "--compression", "x"); err == nil || !strings.Contains(err.Error(), "want gzip or zstd") {
		t.Errorf("a compression that does not exist: %v", err)
	}
}
