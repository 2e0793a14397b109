// SPDX-License-Identifier: MPL-2.0

package record

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Attr is the extended attribute of a record, that of containers/storage:
// uid:gid:mode:type, the mode in octal.
const Attr = "user.containers.override_stat"

// FakePrefix begins the attribute that keeps one which the namespace cannot set; its name
// follows.
const FakePrefix = "user.carosbuild.fake."

// privatePrefixes begin attributes that mean something to the storage of this machine. No
// step sets or sees one.
var privatePrefixes = []string{"user.containers.", "user.carosbuild.", "user.fuseoverlayfs.", "user.overlay.", "trusted.overlay."}

// Private reports whether an attribute is one of those that no step sets or sees.
func Private(name string) bool {
	for _, p := range privatePrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// Own reports whether an attribute is a record.
func Own(name string) bool { return name == Attr || strings.HasPrefix(name, FakePrefix) }

// Shown is the name under which a step sees an attribute; false: it does not.
func Shown(raw string) (string, bool) {
	if name, ok := strings.CutPrefix(raw, FakePrefix); ok {
		return name, true
	}
	return raw, !Private(raw)
}

// Kinds of files with device numbers. The empty kind is what the file itself says.
const (
	Char  = "char"
	Block = "block"
)

// Owner is what a record says of a file.
type Owner struct {
	UID, GID     uint32
	Kind         string // Char, Block or ""
	Major, Minor uint32
}

// Default reports whether a file without a record has this owner.
func (o Owner) Default() bool { return o == Owner{} }

// Format is the value of a record. Perm has the lower 12 bits of the mode, kind the name
// of the file's own kind: file, dir, symlink, pipe or socket.
func (o Owner) Format(perm uint32, kind string) string {
	if o.Kind != "" {
		kind = fmt.Sprintf("%s-%d-%d", o.Kind, o.Major, o.Minor)
	}
	return fmt.Sprintf("%d:%d:%04o:%s", o.UID, o.GID, perm&0o7777, kind)
}

// plainKinds are those of files without device numbers.
var plainKinds = []string{"file", "dir", "symlink", "pipe", "socket"}

// Parse reads the value of a record.
func Parse(value string) (Owner, error) {
	f := strings.Split(value, ":")
	if len(f) != 4 {
		return Owner{}, fmt.Errorf("record %q: not uid:gid:mode:type", value)
	}
	var o Owner
	for i, to := range []*uint32{&o.UID, &o.GID} {
		n, err := strconv.ParseUint(f[i], 10, 32)
		if err != nil {
			return Owner{}, fmt.Errorf("record %q: %w", value, err)
		}
		*to = uint32(n)
	}
	if _, err := strconv.ParseUint(f[2], 8, 16); err != nil {
		return Owner{}, fmt.Errorf("record %q: mode: %w", value, err)
	}
	kind, numbers, device := strings.Cut(f[3], "-")
	switch {
	case !device && slices.Contains(plainKinds, kind):
		return o, nil
	case kind != Char && kind != Block:
		return Owner{}, fmt.Errorf("record %q: type", value)
	}
	major, minor, ok := strings.Cut(numbers, "-")
	a, err1 := strconv.ParseUint(major, 10, 32)
	b, err2 := strconv.ParseUint(minor, 10, 32)
	if !ok || err1 != nil || err2 != nil {
		return Owner{}, fmt.Errorf("record %q: device numbers", value)
	}
	o.Kind, o.Major, o.Minor = kind, uint32(a), uint32(b)
	return o, nil
}
