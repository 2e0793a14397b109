// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
)

// A record that cannot be read is an error; the step does not count as cached.
func TestStepWhoseRecordCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "records", "key"), 0o700); err != nil { // not a file
		t.Fatal(err)
	}
	var events []progress.Event
	l := &Local{
		Cache: Records{Of: layer.OpenRecords(filepath.Join(dir, "records"), dir), Now: time.Now}, CacheDir: dir, Now: time.Now,
		Events: func(e progress.Event) { events = append(events, e) },
	}
	r := &jobRun{Local: l, job: &plan.Job{ID: "s", Steps: []plan.Step{{Key: "key"}}}}
	if ran, err := r.step(t.Context(), 0); err == nil || ran || len(events) > 0 {
		t.Errorf("ran %v, error %v, events %v", ran, err, events)
	}
}

// Layers have a chain of digests if all digests are known.
func TestDiffIDs(t *testing.T) {
	a, b := oci.DigestOf([]byte("a")), oci.DigestOf([]byte("b"))
	for _, tt := range []struct {
		chain []layer.Layer
		want  []oci.Digest
	}{
		{}, {[]layer.Layer{{DiffID: a}, {DiffID: b}}, []oci.Digest{a, b}}, {[]layer.Layer{{DiffID: a}, {}}, nil},
	} {
		if got := diffIDs(tt.chain); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.chain, got, tt.want)
		}
	}
}
