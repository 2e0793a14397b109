// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/oci/registry"
)

// Sources that are not allowed, or that only look like sources, are findings at
// their places.
func TestSourcesThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	for name, to := range map[string]string{"environ": "/proc/self/environ", "self": "/proc/self"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "a[1]"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &Resolver{Registry: registry.Client{Env: func(string) string { return "" }}, Pins: Pins{Dir: filepath.Join(dir, "pins")}, Arch: "amd64", Now: time.Now, Note: func(string, string) {}}
	for source, want := range map[string]string{
		"/proc/self/environ": "the kernel tells",
		"/sys/class":         "the kernel tells",
		"environ":            "the kernel tells",
		"self":               "the kernel tells",
		"*.conf":             "does not exist",
		"nothing":            "does not exist",
		"a[1]":               "",
	} {
		ociLayout(t, filepath.Join(dir, "base"), nil)
		text := "<redo><buildstage id='s'><action>FROM oci:base</action>\n<action>ADD " + source + " /x</action></buildstage></redo>"
		d, fs := decl.Parse(decl.Source{Name: "a.xml", Dirs: []string{dir}, Data: []byte(text)})
		if fs.HasErrors() {
			t.Fatal(fs)
		}
		_, err := r.Resolve(t.Context(), d, []string{"s"})
		var de *finding.ListError
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", source, err)
		case want == "":
		case !errors.As(err, &de) || !strings.Contains(err.Error(), want) || de.Findings[0].Span.Line != 2:
			t.Errorf("%s: got %v, want %q with a place", source, err, want)
		case strings.Contains(de.Findings[0].Hint, "wildcards") != strings.Contains(source, "*"):
			t.Errorf("%s: the hint is %q", source, de.Findings[0].Hint)
		}
	}
}
