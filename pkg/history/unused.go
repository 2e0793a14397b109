// SPDX-License-Identifier: MPL-2.0

package history

import "github.com/carosio/carosbuild/pkg/evict"

// Units are what is remembered of plans, one for each stage of a declaration.
func (h History) Units() ([]evict.Unit, error) { return evict.Units(h.Dir) }

// LogUnits are the logs of builds, each a directory with the build's id as its
// name. Logs is the directory of all of them.
func LogUnits(logs string) ([]evict.Unit, error) { return evict.Units(logs) }
