// SPDX-License-Identifier: MPL-2.0

package archive

import "github.com/carosio/carosbuild/pkg/oci/ocitest"

type member = ocitest.Member

var reg, dir, sym, hard, with, makeTar = ocitest.Reg, ocitest.Dir, ocitest.Sym, ocitest.Hard, ocitest.With, ocitest.MakeTar
