// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/plan"
)

// The image is asked for its variables only if they matter, and once.
func TestVariablesOfImages(t *testing.T) {
	dir := t.TempDir()
	layout := ociLayout(t, filepath.Join(dir, "base"), []string{"PATH=/bin", "APP=/srv/app"})
	r := &Resolver{Registry: registry.Client{Env: func(string) string { return "" }}, Pins: Pins{filepath.Join(dir, "pins")}, Arch: "amd64", Now: time.Now, Note: func(string, string) {}}
	if err := os.WriteFile(filepath.Join(dir, "data"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	resolve := func(actions string) (*Resolved, error) {
		src := decl.Source{Name: "a.xml", Dirs: []string{dir}, Data: []byte(`<redo><buildstage id="s"><action>FROM oci:base</action>` + actions + `</buildstage></redo>`)}
		d, fs := decl.Parse(src)
		if fs.HasErrors() {
			t.Fatal(fs)
		}
		return r.Resolve(t.Context(), d, []string{"s"})
	}
	res, err := resolve(`<action>ENV SRC=data</action><action>ADD $SRC /x</action>`)
	if err != nil || len(res.Environments) != 0 || res.Files[plan.SourceKey("s", "data")] == "" {
		t.Errorf("the stage's own variable: %v, %v", res, err)
	}
	res, err = resolve(`<action>ENV SRC=data</action><action>ADD $SRC $APP/x</action>`)
	if err != nil || len(res.Environments["oci:"+layout]) != 2 {
		t.Errorf("the image's variable: %v, %v", res, err)
	}
	var de *finding.ListError
	if _, err = resolve(`<action>ADD $NONE $APP/x</action>`); !errors.As(err, &de) || len(de.Findings) != 1 || !strings.Contains(de.Error(), "NONE") {
		t.Errorf("a variable that is not set: %v", err)
	}
}

// ociLayout makes an image without files, as an OCI layout.
func ociLayout(t *testing.T, dir string, env []string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		sum := fmt.Sprintf("%x", sha256.Sum256(b))
		if err := os.WriteFile(filepath.Join(dir, "blobs/sha256", sum), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"digest":"sha256:%s","size":%d,"mediaType":`, sum, len(b))
	}
	config := put(map[string]any{"architecture": "amd64", "os": "linux", "config": map[string]any{"Env": env}, "rootfs": map[string]any{"type": "layers", "diff_ids": []string{}}})
	manifest := put(json.RawMessage(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[],"config":` + config + `"application/vnd.oci.image.config.v1+json"}}`))
	index := `{"schemaVersion":2,"manifests":[` + manifest + `"application/vnd.oci.image.manifest.v1+json"}]}`
	if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
