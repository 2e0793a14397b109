// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"fmt"
	"strings"
)

// A reference is one of
//
//	scratch
//	oci:DIR[:TAG]  oci:DIR@sha256:DIGEST
//	docker-archive:FILE[:NAME]
//	containers-storage:NAME  containers-storage:@ID
//	[docker://]NAME[:TAG][@sha256:DIGEST]
//
// where a NAME that begins with localhost/ is in the local store.
type refKind int

const (
	kindRegistry refKind = iota
	kindScratch
	kindLayout
	kindArchive
	kindStore
)

type reference struct {
	kind   refKind
	path   string // of a layout or archive
	name   string // the rest: name, tag, or image name
	digest string // sha256:...
}

func parseReference(ref string) (reference, error) {
	kind, rest, ok := strings.Cut(ref, ":")
	switch {
	case ref == "scratch":
		return reference{kind: kindScratch}, nil
	case ok && kind == "oci":
		return parseFileReference(kindLayout, rest, ref)
	case ok && kind == "docker-archive":
		return parseFileReference(kindArchive, rest, ref)
	case ok && kind == "containers-storage" && rest != "":
		return reference{kind: kindStore, name: strings.TrimPrefix(rest, "@")}, nil
	case strings.HasPrefix(ref, "localhost/"):
		return reference{kind: kindStore, name: ref}, nil
	}
	name := strings.TrimPrefix(ref, "docker://")
	if name == "" || strings.ContainsAny(name, " \t\n") || strings.HasPrefix(name, "-") {
		return reference{}, fmt.Errorf("%q is not an image reference", ref)
	}
	return reference{name: name}, nil
}

func parseFileReference(t refKind, rest, ref string) (reference, error) {
	r := reference{kind: t, path: rest}
	if at := strings.LastIndex(rest, "@sha256:"); at >= 0 {
		r.path, r.digest = rest[:at], rest[at+1:]
	} else if path, name, ok := strings.Cut(rest, ":"); ok {
		r.path, r.name = path, name
	}
	if r.path == "" {
		return reference{}, fmt.Errorf("%q names no file", ref)
	}
	return r, nil
}

// CheckReference says what is wrong with a reference to an image, before anything
// is looked up.
func CheckReference(ref string) error {
	_, err := parseReference(ref)
	return err
}

// LocalFile is the layout's directory or the archive that a reference names.
func LocalFile(ref string) (path string, ok bool) {
	r, err := parseReference(ref)
	return r.path, err == nil && r.path != ""
}

// IsLocal reports whether a reference names something on this machine, which
// may change at any time and is looked at afresh each time.
func IsLocal(ref string) bool {
	r, err := parseReference(ref)
	return err == nil && r.kind != kindRegistry
}

// IsStored reports whether a reference names an image of the local store.
func IsStored(ref string) bool {
	r, err := parseReference(ref)
	return err == nil && r.kind == kindStore
}
