// SPDX-License-Identifier: MPL-2.0

package content

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func gz(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// packed is a source that counts the files it is unpacked into.
func packed(t *testing.T, b []byte, files *int) Source {
	return Source{Name: "file", Content: bytes.NewReader(b), Size: int64(len(b)), Scratch: func() (*os.File, error) {
		*files++
		f, err := os.CreateTemp(t.TempDir(), "scratch")
		if err == nil {
			t.Cleanup(func() { _ = f.Close() })
		}
		return f, err
	}}
}

// TestUnpackedOnce decompresses once for several trees, and refuses what is
// compressed twice.
func TestUnpackedOnce(t *testing.T) {
	files := 0
	once := gz(t, archiveOf(t, sample()))
	s, err := packed(t, once, &files).Unpack(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Tree(t.Context(), Options{Jobs: 1}); err != nil {
			t.Error(err)
		}
	}
	if files != 1 {
		t.Errorf("it was unpacked %d times", files)
	}
	files = 0
	if _, err := packed(t, gz(t, once), &files).Tree(t.Context(), Options{Jobs: 1}); err == nil || err.Error() != "file: it is compressed twice: unpack it once beforehand" {
		t.Errorf("gzip in gzip: %v", err)
	}
	if files != 1 {
		t.Errorf("gzip in gzip was unpacked %d times", files)
	}
}

// TestUnpackedMost has zeros, of which a small file may contain any number.
func TestUnpackedMost(t *testing.T) {
	files := 0
	s := packed(t, gz(t, make([]byte, 3<<20)), &files)
	s.most = 2 << 20
	if _, err := s.Tree(t.Context(), Options{Jobs: 1}); err == nil || !strings.Contains(err.Error(), "file: unpack: it unpacks to more than 2 MiB, the most that is unpacked: unpack it beforehand") {
		t.Errorf("got %v", err)
	}
	s.most = 3 << 20
	if _, err := s.Unpack(t.Context()); err != nil {
		t.Error(err)
	}
}
