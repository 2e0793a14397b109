// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// A layout to which several processes export at once has no locks and no unfinished
// files in it.
func TestExportLeavesNothing(t *testing.T) {
	from, to := ocitest.NewLayout(t), t.TempDir()
	if err := os.MkdirAll(filepath.Join(to, "blobs/sha256"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{".lock", ".new-123", "blobs/sha256/.new-456"} { // of a killed process
		if err := os.WriteFile(filepath.Join(to, n), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	const n = 16
	for i := range n {
		img, err := openLayoutImage(from.Dir, from.Image(ocitest.MakeTar(t, ocitest.Reg("f", fmt.Sprint(i))), nil))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := WriteLayout(t.Context(), img, to, fmt.Sprintf("tag%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range n {
		if _, err := OpenLayout(to, fmt.Sprintf("tag%d", i), "", v1.Platform{OS: "linux", Architecture: "amd64"}); err != nil {
			t.Error(err)
		}
	}
	for _, pattern := range []string{".*", "blobs/sha256/.*"} {
		if left, _ := filepath.Glob(filepath.Join(to, pattern)); len(left) != 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}

// The files that a killed push leaves in a blob cache are removed by the next push.
func TestBlobCacheLeftBehind(t *testing.T) {
	c := BlobCache{t.TempDir()}
	left := filepath.Join(c.Dir, "blobs/sha256/.new-12345")
	if err := os.MkdirAll(filepath.Dir(left), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, []byte("half a blob"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.sweep()
	if _, err := os.Lstat(left); err == nil {
		t.Error("it is still there")
	}
}
