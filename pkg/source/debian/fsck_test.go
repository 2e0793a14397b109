// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/fsck"
)

func TestFsck(t *testing.T) {
	f := &Fetcher{Cache: t.TempDir()}
	text := []byte("a package")
	short, long := sha256.Sum256(text), sha512.Sum512(text)
	put := func(name string, data []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sums := []string{hex.EncodeToString(short[:]), hex.EncodeToString(long[:])}
	files := []string{f.debPath(sums[0]), f.debPath(sums[1]), f.indexPath(sums[0]), f.indexPath(sums[1])}
	kinds := []string{"package", "package", "list of packages", "list of packages"}
	for _, name := range files {
		put(name, text)
		put(name+partSuffix, text[:3]) // being downloaded
	}
	for i, name := range files {
		c := &fsck.Check{}
		if err := f.Fsck(t.Context(), c); err != nil || len(c.Found) > 0 {
			t.Fatalf("of what is sound: %v, %v", c.Found, err)
		}
		put(name, []byte("a pacjage"))
		for _, look := range []bool{true, false} {
			c := &fsck.Check{Look: look}
			if err := f.Fsck(t.Context(), c); err != nil || len(c.Found) != 1 || c.Found[0].Path != name || c.Found[0].Kind != kinds[i] {
				t.Errorf("%s: %v, %v", name, c.Found, err)
			}
			if _, err := os.Stat(name); look != (err == nil) {
				t.Errorf("%s after it was found: %v", name, err)
			}
		}
	}
}
