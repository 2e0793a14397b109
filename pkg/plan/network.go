// SPDX-License-Identifier: MPL-2.0

package plan

import "github.com/carosio/carosbuild/pkg/decl"

// The networks that Facts and declarations name. The usual one is written as "", too.
const (
	usualNetwork = "auto"
	noNetwork    = "none"
)

// network is that of a stage's commands, "" for the usual one. A stage has the last word,
// except that it cannot have a network where the caller wants none.
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

// keyedNetwork is what a step's key has of a network: what a command finds with one is the
// same whichever way leads there.
func keyedNetwork(n string) string {
	if n == noNetwork {
		return n
	}
	return ""
}
