// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// TestTarsStored: an image that was never in a store is the same image after an
// export, from a layout or from an archive, however it is compressed there.
func TestTarsStored(t *testing.T) {
	l, streams := ocitest.SampleLayout(t)
	dir := t.TempDir()
	for name, from := range map[string]string{"layout": "oci:" + l.Dir, "archive": "docker-archive:" + ocitest.SampleArchive(t, streams, true)} {
		cache := TarCache{Dir: filepath.Join(dir, name, "cache")}
		tars, err := openTars(t.Context(), from, cache)
		if err != nil {
			t.Fatal(err)
		}
		to := "oci:" + filepath.Join(dir, name, "out") + ":1"
		if err := Export(t.Context(), tars, "any", to, Transfer{}, PushOptions{Cache: BlobCache{Dir: filepath.Join(dir, name, "blobs")}, Compression: Zstd}); err != nil {
			t.Fatal(err)
		}
		again, err := openTars(t.Context(), to, TarCache{Dir: filepath.Join(dir, name, "again")})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(tars.raw), string(again.raw)); diff != "" || len(tars.raw) == 0 {
			t.Errorf("%s: the configuration (-want +got):\n%s", name, diff)
		}
		if len(again.Layers) != len(streams) {
			t.Errorf("%s: %d layers, want %d", name, len(again.Layers), len(streams))
		}
		for i, want := range tars.Layers {
			if got := again.Layers[i].DiffID; got != want.DiffID {
				t.Errorf("%s: layer %d is %s, want %s", name, i, got, want.DiffID)
			}
		}
		if err := tars.Close(); err != nil {
			t.Error(err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}
