// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner"
)

// Format says how the directories of a store's layers represent what a plain directory
// cannot.
type Format struct {
	Prefix string       // of overlay's own extended attributes
	Owners owner.Policy // of the layers' files; nil asks the kernel
}

// owners returns the policy.
func (f Format) owners() owner.Policy {
	if f.Owners == nil {
		return owner.Kernel{}
	}
	return f.Owners
}

// stat stats an open file that is not a whiteout.
func (f Format) stat(fd int) (unix.Stat_t, error) { return f.owners().Stat(fd, "") }
