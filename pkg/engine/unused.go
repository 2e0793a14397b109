// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package engine

import "github.com/carosio/carosbuild/pkg/evict"

// CacheUnits are the caches of stages below Local.CacheDir, to be removed one by one.
func CacheUnits(cacheDir string) ([]evict.Unit, error) { return evict.Units(cachesDir(cacheDir)) }
