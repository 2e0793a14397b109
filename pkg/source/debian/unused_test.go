// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The units of the cache are its files, but for downloads that were under way a
// moment ago.
func TestUnits(t *testing.T) {
	f := &Fetcher{Cache: t.TempDir()}
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for name, age := range map[string]time.Duration{
		f.debPath("a"): time.Minute, f.indexPath("b"): 24 * time.Hour, f.releasePath("https://c"): time.Minute,
		f.debPath("going-on") + partSuffix: time.Minute, f.indexPath("given-up") + partSuffix: 2 * time.Hour,
		filepath.Join(f.Cache, "of-somebody-else"): time.Hour,
	} {
		then := now.Add(-age)
		err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(name), 0o600), os.Chtimes(name, then, then))
		if err != nil {
			t.Fatal(err)
		}
	}
	units, err := f.Units(now)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range units {
		got = append(got, u.Path)
	}
	want := []string{f.debPath("a"), f.indexPath("b"), f.indexPath("given-up") + partSuffix, f.releasePath("https://c")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("units: -want +got\n%s", diff)
	}
}
