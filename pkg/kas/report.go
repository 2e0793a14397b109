// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package kas

import "github.com/carosio/carosbuild/pkg/decl"

// report collects findings, and checks files against the format.
type report struct{ decl.Collector }
