// SPDX-License-Identifier: MPL-2.0

package plan

import "github.com/carosio/carosbuild/pkg/decl"

// The networks that Facts and declarations name. The default is also written as "".
const (
	usualNetwork = "auto"
	noNetwork    = "none"
)

// network is the network of a stage's commands, "" for the default. The stage decides,
// except that it cannot have a network if the caller wants none.
func (b *builder) network(s *decl.Stage) string {
	n := b.facts.Network
	if n != noNetwork && s.Network != "" {
		n = s.Network
	}
	if n == usualNetwork {
		return ""
	}
	return n
}

// keyedNetwork is the network's field of a step's key. All networks but "none" have the
// same value, since a command finds the same through each of them.
func keyedNetwork(n string) string {
	if n == noNetwork {
		return n
	}
	return ""
}
