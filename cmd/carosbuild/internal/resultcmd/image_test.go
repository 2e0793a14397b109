// SPDX-License-Identifier: MPL-2.0

package resultcmd

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// yoctoImage is an OCI layout with what Yocto has deployed.
func yoctoImage(t *testing.T) string {
	t.Helper()
	const d = "REDO/build/tmp/deploy/"
	l := ocitest.NewLayout(t)
	l.Index(l.Image(ocitest.MakeTar(t,
		ocitest.Reg(d+"images/vmware/caros-2016.ova", "ova"), ocitest.Sym(d+"images/vmware/caros.ova", "caros-2016.ova"),
		ocitest.Reg(d+"ipk/all/a.ipk", "package"), ocitest.Reg("boot/vmlinuz-6.1", "kernel"), ocitest.Sym("vmlinuz", "/boot/vmlinuz-6.1"),
	), nil))
	return "oci:" + l.Dir
}

func app(t *testing.T, stdout, stderr io.Writer) *cli.App {
	t.Helper()
	home := t.TempDir()
	return &cli.App{Stdout: stdout, Stderr: stderr, Progress: "quiet", Getenv: func(name string) string {
		if name == "HOME" {
			return home
		}
		return ""
	}}
}

func run(ctx context.Context, cmd *cobra.Command, args ...string) error {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append(args, "--arch", "amd64"))
	return cmd.ExecuteContext(ctx)
}

// TestResultsOfImage: what an image has is written without a store and without a
// namespace.
func TestResultsOfImage(t *testing.T) {
	image := yoctoImage(t)
	for _, tt := range []struct {
		name string
		args []string
		want map[string]string
	}{
		{"deployed", nil, map[string]string{"caros.ova": "ova"}},
		{"with packages", []string{"--packages"}, map[string]string{"caros.ova": "ova", "packages/all/a.ipk": "package"}},
		{"by path", []string{"--path", "/boot/*", "--path", "/vmlinuz"}, map[string]string{"vmlinuz-6.1": "kernel", "vmlinuz": "kernel"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			var stderr strings.Builder
			if err := run(t.Context(), NewResults(app(t, io.Discard, &stderr)), append([]string{image, "--to", out}, tt.args...)...); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			err := filepath.WalkDir(out, func(p string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() || d.Name() == "SHA256SUMS" {
					return err
				}
				rel, _ := filepath.Rel(out, p)
				data, err := os.ReadFile(p)
				got[filepath.ToSlash(rel)] = string(data)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("written (-got +want):\n%s%s", diff, &stderr)
			}
		})
	}
	err := run(t.Context(), NewResults(app(t, io.Discard, io.Discard)), image, "--to", filepath.Join(t.TempDir(), "x"), "--path", "/nothing/*")
	if err == nil || !strings.Contains(err.Error(), "1 file that was asked for") {
		t.Errorf("a path that leads nowhere: %v", err)
	}
}

// TestServeImage: what an image has is offered without a store and without a
// namespace.
func TestServeImage(t *testing.T) {
	image := yoctoImage(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, NewServe(app(t, w, io.Discard)), image)
		w.CloseWithError(err)
		ended <- err
	}()
	url, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{"": "caros.ova", "caros.ova": "ova", "packages/all/a.ipk": "package"} {
		resp, err := http.Get(strings.TrimSpace(url) + address) //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%q is %s, want %q: %v\n%s", address, resp.Status, want, err, body)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
