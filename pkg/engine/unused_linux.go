// SPDX-License-Identifier: MPL-2.0

package engine

import "github.com/carosio/carosbuild/pkg/evict"

// CacheUnits are the caches of stages below Local.CacheDir, each to be removed on its own.
func CacheUnits(cacheDir string) ([]evict.Unit, error) { return evict.Units(cachesDir(cacheDir)) }
