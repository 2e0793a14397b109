// SPDX-License-Identifier: MPL-2.0

package kas

import "github.com/carosio/carosbuild/pkg/decl/finding"

// report collects findings, and checks files against the format.
type report struct{ finding.Collector }
