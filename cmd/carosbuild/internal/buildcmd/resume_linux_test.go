// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/history"
)

// parsed is a build whose options were given, and its command.
func parsed(t *testing.T, resumed *history.Resumption, args ...string) (*buildCommand, *cobra.Command) {
	t.Helper()
	c := newBuild(&cli.App{Getenv: func(string) string { return "" }, Stderr: new(strings.Builder)})
	c.resumed = resumed
	cmd := &cobra.Command{Use: "x"}
	c.flags(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	c.declFiles = cmd.Flags().Args()
	return c, cmd
}

// What a build notes of its command gives the same command again, but for what is not to
// be repeated; options that are given count instead.
func TestCommandComesBack(t *testing.T) {
	c, cmd := parsed(t, nil, "a.xml", "b.xml", "-o", "x,y.raw", "-o", "z.raw", "--jobs=3", "-B", "id", "--no-cache", "--update", "--on-failure=shell", "--push-failed", "oci:d",
		"--remote", "a=https://me:secret@example.org/", "--cache-from", "oci:c", "-F", "-a", "URI = ssh://git@example.org/x")
	epoch := int64(7)
	got, err := c.commandOf(cmd, &buildJob{epoch: &epoch})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := history.Command{Dir: dir, Files: []string{"a.xml", "b.xml"}, Withheld: []string{"remote"}, Epoch: &epoch, Options: map[string][]string{
		"out": {"x,y.raw", "z.raw"}, "jobs": {"3"}, "push-failed": {"oci:d"}, "cache-from": {"oci:c"}, "append-local-conf": {"URI = ssh://git@example.org/x"}, "skip-failure-commit": {"true"},
	}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	again, cmd := parsed(t, &history.Resumption{ID: "id"}, "--jobs=5", "--cache", "oci:other")
	if err := again.applyCommand(cmd, &got, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Out, c.Out) || again.jobs != 5 || again.noCache || again.update || again.onFailure != "" || again.buildID != "id" || !again.forget || again.cache != "oci:other" ||
		!slices.Equal(again.declFiles, want.Files) || !slices.Equal(again.from, []string{"oci:c"}) {
		t.Errorf("got %+v", again)
	}
	got.Options["push"], got.Options["success-tag"] = []string{"oci:x"}, []string{"a/b:c"}
	skips, cmd2 := parsed(t, &history.Resumption{ID: "id", Skip: true}, "--success-tag", "mine/x:1")
	if err := skips.applyCommand(cmd2, &got, nil); err != nil || skips.push != nil || skips.successTag != "mine/x:1" || !strings.Contains(skips.Stderr.(*strings.Builder).String(), "--push of the failed build is left out") {
		t.Errorf("with --skip: %v, %v, %q, printed %q", err, skips.push, skips.successTag, skips.Stderr)
	}
	got.Options["of-another-version"] = []string{"x"}
	if err := again.applyCommand(cmd, &got, []string{"c.xml"}); err == nil || !strings.Contains(err.Error(), "--of-another-version") {
		t.Errorf("got %v", err)
	}
}
