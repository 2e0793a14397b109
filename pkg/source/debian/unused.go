// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/evict"
)

// partAge is how long an abandoned download is kept at least.
const partAge = time.Hour

// Units are the files of the cache, to be removed one by one. A download that was
// under way within the last hour is not among them: it is resumed, or even going on.
func (f *Fetcher) Units(now time.Time) ([]evict.Unit, error) {
	units, err := evict.Units(f.DebsDir(), f.indicesDir(), f.releasesDir())
	return slices.DeleteFunc(units, func(u evict.Unit) bool {
		return strings.HasSuffix(u.Path, partSuffix) && now.Sub(u.Used) < partAge
	}), err
}
