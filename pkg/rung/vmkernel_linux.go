// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/source/debian"
)

// kernelPackage fetches the package that linux-image-cloud-ARCH leads to, verified as all
// packages are, and is its file in the cache of packages.
func kernelPackage(ctx context.Context, f *debian.Fetcher, h debian.Host, now time.Time) (string, error) {
	meta := "linux-image-cloud-" + runtime.GOARCH
	r, err := f.Resolve(ctx, debian.Bootstrap{Suite: kernelSuite, Variant: "essential", Packages: []string{meta}}, h, now)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(r.Packages, func(p debian.Package) bool { return p.Name != meta && strings.HasPrefix(p.Name, "linux-image-") })
	if i < 0 {
		return "", fmt.Errorf("%s needs no kernel package", meta)
	}
	r.Packages = r.Packages[i : i+1]
	if err := f.Fetch(ctx, r); err != nil {
		return "", err
	}
	return filepath.Join(f.DebsDir(), r.Packages[0].Sum+".deb"), nil
}
