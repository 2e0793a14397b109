// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/decl"
)

// Lines of the command line come behind all fragments of the declaration, in
// their order.
func TestAppendLocalConf(t *testing.T) {
	c := newBuild(cli.New())
	cmd := c.command("x")
	if err := cmd.ParseFlags([]string{"-a", `A = "1"`, "--append-local-conf=B ?= 'x,y'", "a.xml", "--append", ""}); err != nil {
		t.Fatal(err)
	}
	d, findings := decl.Parse(decl.Source{Name: "a.xml", Data: []byte(`<redo><local_conf>first</local_conf><local_conf>second</local_conf></redo>`)})
	if findings.HasErrors() {
		t.Fatal(findings)
	}
	c.appendLocalConf(d)
	var got []string
	for _, l := range d.LocalConf {
		got = append(got, l.Text)
	}
	if diff := cmp.Diff(got, []string{"first", "second", `A = "1"`, "B ?= 'x,y'", ""}); diff != "" {
		t.Errorf("fragments (-got +want):\n%s", diff)
	}
}

// TestShortened has what getopt took for redomat's options, and what it did not.
func TestShortened(t *testing.T) {
	for given, want := range map[string]string{
		"--upgr": "upgrade", "--u": "upgrade", "--list": "list", "--list-": "list-bids", "--new": "new-build-id", "--m": "match-build-id", "--dry": "dry-run",
		"--su": "success-tag", "--s": "", "--l": "", "--nonsense": "", "--upgrade": "upgrade", "--for": "foreign", "--format": "format", "--update": "update",
	} {
		c := newBuild(cli.New())
		cmd := c.command("x")
		f := cmd.Flags().Lookup(given[2:])
		got := ""
		if f != nil {
			got = f.Name
		}
		if got != want {
			t.Errorf("%s stands for %q, want %q", given, got, want)
		}
		if _, warned := c.shortened[given[2:]]; warned != (want != "" && given[2:] != want) {
			t.Errorf("%s: a warning is due: %v", given, warned)
		}
	}
}

// No option of ours may be the beginning of one of redomat's: it would mean that
// one.
func TestOptionsAreNoBeginnings(t *testing.T) {
	c := newBuild(cli.New())
	cmd := c.command("x")
	for _, name := range []string{"out", "format", "disk", "target", "update", "locked", "json", "jobs", "network", "no-cache", "verify-boot", "foreign", "compression-level", "list", "success-tag"} {
		if f := cmd.Flags().Lookup(name); f == nil || f.Name != name {
			t.Errorf("--%s is %v", name, f)
		}
	}
	if len(c.shortened) != 0 {
		t.Errorf("taken for shortened ones: %v", c.shortened)
	}
}
