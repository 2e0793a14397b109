// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/debfile"
)

// entry stands for a file of a package: two are equal where an installed
// system could not tell them apart but for times.
type entry struct {
	path string
	sum  [sha256.Size]byte
}

// frame adds strings to h so that no two lists of strings look alike.
func frame(h hash.Hash, words ...string) {
	for _, w := range words {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(w)))
		h.Write(n[:]) // a hash never fails
		h.Write([]byte(w))
	}
}

// entries are the files of data.tar, sorted by path. If a path occurs more
// than once the archive's order is kept, for the last one is what counts.
func entries(f *debfile.File) ([]entry, error) {
	var out []entry
	err := f.Data(func(h *tar.Header, r io.Reader) error {
		e, err := newEntry(h, r)
		out = append(out, e)
		return err
	})
	slices.SortStableFunc(out, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return out, err
}

func newEntry(h *tar.Header, r io.Reader) (entry, error) {
	kind := h.Typeflag
	if kind == tar.TypeCont || kind == tar.TypeGNUSparse {
		kind = tar.TypeReg
	}
	sum := sha256.New()
	name := path.Clean("/" + h.Name)
	frame(sum, string(kind), strconv.FormatInt(h.Mode&0o7777, 8), strconv.Itoa(h.Uid), strconv.Itoa(h.Gid), h.Uname, h.Gname, name)
	switch kind {
	case tar.TypeReg:
		content := sha256.New()
		if _, err := io.Copy(content, r); err != nil {
			return entry{}, fmt.Errorf("%s: %w", h.Name, err)
		}
		frame(sum, string(content.Sum(nil)))
	case tar.TypeSymlink:
		frame(sum, h.Linkname)
	case tar.TypeLink:
		frame(sum, path.Clean("/"+h.Linkname))
	case tar.TypeChar, tar.TypeBlock:
		frame(sum, strconv.FormatInt(h.Devmajor, 10), strconv.FormatInt(h.Devminor, 10))
	}
	for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if isAttribute(k) {
			frame(sum, k, h.PAXRecords[k])
		}
	}
	return entry{name, [sha256.Size]byte(sum.Sum(nil))}, nil
}

// isAttribute reports whether a PAX record is part of a file, such as extended
// attributes and ACLs. Others repeat the header, or are times.
func isAttribute(key string) bool {
	return strings.HasPrefix(key, "SCHILY.xattr.") || strings.HasPrefix(key, "SCHILY.acl.") ||
		strings.HasPrefix(key, "LIBARCHIVE.xattr.") || strings.HasPrefix(key, "RHT.security.")
}

// scripts are the members of control.tar but the control file, sorted. Their
// owners do not matter: the installer is theirs.
func scripts(c *debfile.Control) []entry {
	out := make([]entry, len(c.Scripts))
	for i, s := range c.Scripts {
		sum := sha256.New()
		frame(sum, strconv.FormatUint(uint64(s.Mode), 8), string(s.Content))
		out[i] = entry{s.Name, [sha256.Size]byte(sum.Sum(nil))}
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return out
}

// skeleton is a control file without what a rebuild changes: the version, the
// versions in relations, which f replaces, and Installed-Size, which some
// tools take from the build host's file system. The order of fields does not
// matter.
func skeleton(s debfile.Stanza, f func(ref) string) string {
	var b strings.Builder
	for _, field := range byName(s) {
		name, value := strings.ToLower(field.Name), strings.TrimSpace(field.Value)
		switch {
		case name == "version", name == "installed-size":
			continue
		case isRelation(name):
			value = replaceVersions(value, field.Name, f)
		}
		b.WriteString(name + ": " + value + "\n")
	}
	return b.String()
}

// byName are the fields of s in the order of their names.
func byName(s debfile.Stanza) debfile.Stanza {
	s = slices.Clone(s)
	slices.SortFunc(s, func(a, b debfile.Field) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return s
}

// fingerprint is a SHA-256 over all that is compared of one package. The build
// suffix is taken off the version, and off relations to packages of that very
// version, which come of the same source.
func fingerprint(f *debfile.File, c *debfile.Control) (string, error) {
	own := c.Fields.Get("Version")
	h := sha256.New()
	frame(h, base(own), skeleton(c.Fields, func(r ref) string {
		if r.version == own {
			return base(own)
		}
		return r.version
	}))
	files, err := entries(f)
	if err != nil {
		return "", err
	}
	for _, list := range [][]entry{scripts(c), files} {
		frame(h, strconv.Itoa(len(list)))
		for _, e := range list {
			frame(h, e.path, string(e.sum[:]))
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
