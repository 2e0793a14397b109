// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// What overlay's own extended attributes begin with, inside a user namespace and
// outside.
const (
	UserOverlay    = "user.overlay."
	TrustedOverlay = "trusted.overlay."
)

// PAXXattr is what the PAX record of an extended attribute begins with.
const PAXXattr = "SCHILY.xattr."

// PrivateXattr reports whether an attribute means something to this machine's
// storage, so that no stream may set it.
func PrivateXattr(attr string) bool {
	return strings.HasPrefix(attr, UserOverlay) || strings.HasPrefix(attr, TrustedOverlay) ||
		strings.HasPrefix(attr, "user.containers.") || strings.HasPrefix(attr, "user.fuseoverlayfs.") ||
		strings.HasPrefix(attr, "user.carosbuild.")
}

// NamespaceXattr reports whether a user namespace can give a file an attribute.
func NamespaceXattr(name string) bool {
	return name == "security.capability" || strings.HasPrefix(name, "system.posix_acl_") || strings.HasPrefix(name, "user.")
}

// Xattrs are the extended attributes that a layer has of name in an open directory,
// or of that itself, as PAX records, and whether the directory is opaque. Buf is space to
// work in.
func Xattrs(dir int, name string, st *unix.Stat_t, f Format, buf []byte) (recs map[string]string, opaque bool, err error) {
	return readXattrs(dir, name, st, f, false, buf)
}

// readXattrs reads the extended attributes of name below dir (of dir itself for
// "") as PAX records. Those that mean something to a machine's storage never
// appear, neither overlay's own nor what a step has made to look like them;
// opaque is what overlay's say.
func readXattrs(dir int, name string, st *unix.Stat_t, f Format, strip bool, buf []byte) (recs map[string]string, opaque bool, err error) {
	file := fdPath(dir)
	if name != "" {
		file += "/" + name
	} else {
		file += "/."
	}
	n, err := unix.Llistxattr(file, buf)
	if err == unix.ENOTSUP || n == 0 && err == nil {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("list extended attributes: %w", err)
	}
	for key := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		own := key == f.Prefix+"opaque"
		if !own && PrivateXattr(key) {
			if strip && !strings.HasPrefix(key, f.Prefix) && !f.owners().Own(key) {
				err = unix.Lremovexattr(file, key)
			}
			if err != nil && err != unix.ENODATA {
				return nil, false, fmt.Errorf("remove extended attribute %s: %w", terminal.Line(key), err)
			}
			continue
		}
		if !own && !NamespaceXattr(key) {
			continue // of the host's security module
		}
		n, err := unix.Lgetxattr(file, key, buf)
		if err == unix.ENODATA {
			continue
		}
		if err != nil {
			return nil, false, fmt.Errorf("read extended attribute %s: %w", terminal.Line(key), err)
		}
		if own {
			opaque = st.Mode&unix.S_IFMT == unix.S_IFDIR && string(buf[:n]) == "y"
			continue
		}
		v, err := f.owners().Xattr(file, key, buf[:n])
		if err != nil {
			return nil, false, fmt.Errorf("read extended attribute %s: %w", terminal.Line(key), err)
		}
		if recs == nil {
			recs = map[string]string{}
		}
		recs[PAXXattr+key] = string(v)
	}
	return recs, opaque, nil
}
