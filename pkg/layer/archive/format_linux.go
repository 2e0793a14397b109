// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner"
)

// Format says how the directories of a store's layers have what a plain directory has not.
type Format struct {
	Prefix string       // of overlay's own extended attributes
	Owners owner.Policy // of their files; nil asks the kernel
}

// owners is the policy.
func (f Format) owners() owner.Policy {
	if f.Owners == nil {
		return owner.Kernel{}
	}
	return f.Owners
}

// stat is what an open file is, which is not a whiteout.
func (f Format) stat(fd int) (unix.Stat_t, error) { return f.owners().Stat(fd, "") }
