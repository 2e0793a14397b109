// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/plan"
)

// The units are the caches that steps see, not the locks beside them.
func TestCacheUnits(t *testing.T) {
	l := &Local{CacheDir: t.TempDir()}
	r := &jobRun{Local: l, job: &plan.Job{}}
	mounts, err := r.mounts("", []plan.Cache{{Path: "/var/cache/apt"}, {ID: "downloads", Path: "/downloads"}}, sandbox.User{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(l.CacheDir, "locks", "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mounts[0].Source, "a.deb"), make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	units, err := CacheUnits(l.CacheDir)
	if err != nil || len(units) != 2 {
		t.Fatalf("%v, %v", units, err)
	}
	got := map[string]int64{}
	for _, u := range units {
		got[u.Path] = u.Size
	}
	if got[mounts[0].Source]-got[mounts[1].Source] < 4096 {
		t.Errorf("sizes of the caches: %v", got)
	}
}
