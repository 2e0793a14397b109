// SPDX-License-Identifier: MPL-2.0

package history

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Builds that begin within one second, and want the same id, get one each.
func TestClaim(t *testing.T) {
	b := Builds{Dir: t.TempDir()}
	ids := make([]string, 12)
	errs := make([]error, len(ids))
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() { ids[i], errs[i] = b.Claim("2026-11-29-162808-me", BuildInfo{Owner: "me"}) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
		if info, ok := b.Read(ids[i]); !ok || info.Owner != "me" || !isBuildID(ids[i]) {
			t.Errorf("%s: %v, %v", ids[i], info, ok)
		}
	}
	slices.Sort(ids)
	if n := len(slices.Compact(slices.Clone(ids))); n != len(ids) || ids[0] != "2026-11-29-162808-me" {
		t.Errorf("%d different ids of %d: %v", n, len(ids), ids)
	}
	if diff := cmp.Diff(ids[1], "2026-11-29-162808-me-10"); diff != "" {
		t.Error(diff)
	}
}
