// SPDX-License-Identifier: MPL-2.0

package kas

import "github.com/carosio/carosbuild/pkg/decl"

// report collects findings, and checks files against the format.
type report struct{ decl.Collector }
