// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package archive

import "github.com/carosio/carosbuild/pkg/oci/ocitest"

type member = ocitest.Member

var reg, dir, sym, hard, with, makeTar = ocitest.Reg, ocitest.Dir, ocitest.Sym, ocitest.Hard, ocitest.With, ocitest.MakeTar
