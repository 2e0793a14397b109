// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// A compressed blob whose digest differs is not used, even if it decompresses to the
// right bytes; the error names the digest, not the consequence in the decompressor.
func TestPackedLayer(t *testing.T) {
	stream := ocitest.MakeTar(t, ocitest.Reg("a", string(noise(5, 1<<20))))
	packed := packGzip(t, stream)
	for name, test := range map[string]struct {
		blob []byte
		want string
	}{
		"good":              {packed, ""},
		"cut":               {packed[:len(packed)/2], "ends after"},
		"longer":            {append(packed[:len(packed):len(packed)], 0), "more than"},
		"something else":    {noise(6, len(packed)), "has the digest"},
		"a byte of its end": {append(packed[:len(packed)-1:len(packed)-1], packed[len(packed)-1]^1), "has the digest"},
		"a byte in gzip's header, which does not matter": {append([]byte{0x1f, 0x8b, 8, 0, 9}, packed[5:]...), "has the digest"},
	} {
		t.Run(name, func(t *testing.T) {
			l := ocitest.NewLayout(t)
			d := l.Blob(types.OCILayer, packed)
			l.Index(l.Image(stream, func(m *v1.Manifest, _ *v1.ConfigFile) { m.Layers[0] = d }))
			if err := os.WriteFile(blobPath(l.Dir, d.Digest), test.blob, 0o600); err != nil {
				t.Fatal(err)
			}
			cache := TarCache{Dir: filepath.Join(t.TempDir(), "cache")}
			tars, err := openTars(t.Context(), "oci:"+l.Dir, cache)
			if err == nil {
				defer tars.Close()
			}
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n")) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			kept, _ := os.ReadDir(cache.Dir)
			if (len(kept) > 0) != (test.want == "") {
				t.Errorf("in the cache: %v", kept)
			}
		})
	}
}
