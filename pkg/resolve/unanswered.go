// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/plan"
)

// IsNetwork reports whether a mirror, a registry or a git server could not be
// reached, or did not answer properly.
func IsNetwork(err error) bool {
	return registry.IsNetwork(err)
}

// put remembers why a look-up failed, if plans may have gaps and the network is the
// cause. It reports whether planning can continue.
func (r *Resolver) put(out *Resolved, err error, names ...string) bool {
	if !r.Partial || !IsNetwork(err) {
		return false
	}
	if out.Unresolved == nil {
		out.Unresolved = plan.Unresolved{}
	}
	for _, n := range names {
		out.Unresolved[n] = err.Error()
	}
	return true
}
