// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/evict"
)

// partAge is the minimum age at which an abandoned download may be removed.
const partAge = time.Hour

// Units are the files of the cache, which may be removed one by one. A download that
// was active within the last hour is not among them: it may be resumed, or still
// running.
func (f *Fetcher) Units(now time.Time) ([]evict.Unit, error) {
	units, err := evict.Units(f.DebsDir(), f.indicesDir(), f.releasesDir())
	return slices.DeleteFunc(units, func(u evict.Unit) bool {
		return strings.HasSuffix(u.Path, partSuffix) && now.Sub(u.Used) < partAge
	}), err
}
