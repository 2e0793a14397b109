// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/oci"
)

// TestDebianBase applies a real root file system, the tar file that CAROSBUILD_TEST_BASE
// names (mmdebstrap --variant=minbase bookworm x.tar), and writes it again.
func TestDebianBase(t *testing.T) {
	file := os.Getenv("CAROSBUILD_TEST_BASE")
	if file == "" {
		t.Skip("CAROSBUILD_TEST_BASE names no tar file")
	}
	if !inNamespace(t) {
		return
	}
	stream, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := openStore(t)
	start := time.Now()
	l, err := s.Apply(t.Context(), "", bytes.NewReader(stream), v1.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("apply of %d MB: %v", len(stream)>>20, time.Since(start))
	if sum := sha256.Sum256(stream); hex.EncodeToString(sum[:]) != l.DiffID.Hex || int64(len(stream)) != l.Size {
		t.Errorf("%s, %d bytes", l.DiffID, l.Size)
	}
	start = time.Now()
	if err := s.WriteTar(l, io.Discard); err != nil {
		t.Error(err)
	}
	t.Logf("give back: %v", time.Since(start))
	start = time.Now()
	devices, err := s.Devices(l.ID)
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d devices: %v", len(devices), time.Since(start))
	start = time.Now()
	w, err := s.Prepare(t.Context(), l.ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("prepare: %v", time.Since(start))
	start = time.Now()
	if _, changed, err := s.Commit(t.Context(), w, CommitOptions{}); err != nil || changed {
		t.Error(changed, err)
	}
	t.Logf("commit of nothing: %v", time.Since(start))
	for _, c := range []oci.Compression{oci.Gzip, oci.Zstd} {
		start = time.Now()
		stored := oci.Stored{Config: []byte("{}"), Layers: []oci.StoredLayer{{DiffID: l.DiffID, Size: l.Size, Write: func(w io.Writer) error { return s.WriteTar(l, w) }}}}
		img, err := stored.Compress(t.Context(), oci.Transfer{Jobs: 2}, oci.PushOptions{Cache: oci.BlobCache{Dir: t.TempDir()}, Compression: c})
		if err != nil {
			t.Fatal(err)
		}
		m, err := img.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d MB in %v", c, m.Layers[0].Size>>20, time.Since(start))
	}
}
