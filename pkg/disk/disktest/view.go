// SPDX-License-Identifier: MPL-2.0

package disktest

import (
	"os"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// View is the metadata of an entry in a tree or an unpacked file system.
type View struct {
	Mode, UID, GID uint32
	Mtime, Nsec    int64
	Size           int64 // of a file
	Sum            uint32
	Link           string
	Rdev           tree.Device
	Xattrs         map[string]string
	Same           string // first name of the same inode
}

// Views are the views of a tree's entries, by path.
func Views(t testing.TB, tr *tree.Tree) map[string]View {
	t.Helper()
	out := map[string]View{}
	for _, e := range tr.Entries {
		if e.Hardlink != "" {
			v := out[e.Hardlink]
			v.Same = e.Hardlink
			out[e.Path] = v
			continue
		}
		v := View{Mode: e.Mode, UID: e.UID, GID: e.GID, Mtime: e.Mtime, Nsec: int64(e.MtimeNsec), Link: e.Link, Rdev: e.Rdev, Xattrs: map[string]string{}}
		for _, x := range e.Xattrs {
			v.Xattrs[x.Name] = string(x.Value)
		}
		if e.Type() == tree.Regular {
			v.Size, v.Sum = e.Size, Sum(t, e.Content, e.Size)
		}
		out[e.Path] = v
	}
	return out
}

// AsUser removes what an ordinary user cannot unpack: owners, and permissions that
// the umask removes. For root, nothing is removed.
func AsUser(views map[string]View) {
	if os.Geteuid() == 0 {
		return
	}
	for p, v := range views {
		v.UID, v.GID, v.Xattrs = 0, 0, nil
		v.Mode &^= 0o7022
		views[p] = v
	}
}
