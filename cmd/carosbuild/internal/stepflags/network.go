// SPDX-License-Identifier: MPL-2.0

package stepflags

import (
	"slices"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/sandbox"
)

// networkNames are the values of --network.
func networkNames() []string {
	return []string{string(sandbox.AutoNetwork), string(sandbox.HostNetwork), string(sandbox.NoNetwork)}
}

// CheckNetwork refuses another value.
func CheckNetwork(name string) error {
	if !slices.Contains(networkNames(), name) {
		return cli.Usagef("--network %q: want auto, host or none", name)
	}
	return nil
}
