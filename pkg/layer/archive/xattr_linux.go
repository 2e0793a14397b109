// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// Prefixes of overlay's own extended attributes, inside a user namespace and outside.
const (
	UserOverlay    = "user.overlay."
	TrustedOverlay = "trusted.overlay."
)

// PAXXattr is the prefix of the PAX record of an extended attribute.
const PAXXattr = "SCHILY.xattr."

// PrivateXattr reports whether an attribute has a meaning for this machine's storage, so
// that no stream may set it.
func PrivateXattr(attr string) bool {
	return strings.HasPrefix(attr, UserOverlay) || strings.HasPrefix(attr, TrustedOverlay) ||
		strings.HasPrefix(attr, "user.containers.") || strings.HasPrefix(attr, "user.fuseoverlayfs.") ||
		strings.HasPrefix(attr, "user.carosbuild.")
}

// NamespaceXattr reports whether an attribute can be set in a user namespace.
func NamespaceXattr(name string) bool {
	return name == "security.capability" || strings.HasPrefix(name, "system.posix_acl_") || strings.HasPrefix(name, "user.")
}

// Xattrs returns the extended attributes that a layer has for name in an open directory,
// or for the directory itself, as PAX records, and whether the directory is opaque. Buf is
// a work buffer.
func Xattrs(dir int, name string, st *unix.Stat_t, f Format, buf []byte) (recs map[string]string, opaque bool, err error) {
	return readXattrs(dir, name, st, f, false, buf)
}

// readXattrs reads the extended attributes of name below dir (of dir itself for "") as
// PAX records. Attributes with a meaning for a machine's storage are left out, both
// overlay's own and a step's imitations; opaque is what overlay's own say.
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
			continue // set by the host's security module
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
