// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// FullNames is FullName for several names.
func FullNames(names []string) ([]string, error) {
	var out []string
	for _, n := range names {
		full, err := FullName(n)
		if err != nil {
			return nil, err
		}
		out = append(out, full)
	}
	return out, nil
}

// FullName checks an image's name and completes it as podman does: localhost
// for a name without a registry, latest without a tag.
func FullName(n string) (string, error) {
	if !HasRegistry(n) {
		n = "localhost/" + n
	}
	t, err := name.NewTag(n, name.WithDefaultTag("latest"))
	if err != nil {
		return "", fmt.Errorf("image name %q: %w", n, err)
	}
	return storedName(t), nil
}

// storedName is a tag in the form that containers/storage uses.
func storedName(t name.Tag) string {
	reg := t.RegistryStr()
	if reg == name.DefaultRegistry {
		reg = "docker.io"
	}
	return reg + "/" + t.RepositoryStr() + ":" + t.TagStr()
}

// HasRegistry reports whether a name begins with a registry and not with a path: a
// dot, a colon or localhost before the first slash.
func HasRegistry(n string) bool {
	first, _, ok := strings.Cut(n, "/")
	return ok && (strings.ContainsAny(first, ".:") || first == "localhost")
}

// StoreNames are the names that a name may have in a store: itself, below
// localhost, and below docker.io.
func StoreNames(n string) []string {
	out := []string{n}
	if full, err := FullName(n); err == nil {
		out = append(out, full)
	}
	if t, err := parseTag(n); err == nil {
		out = append(out, storedName(t))
	}
	return out
}

func parseTag(n string) (name.Tag, error) { return name.NewTag(n) }

// NameOf is the name that podman gives to an image pulled by a reference that was
// resolved to pinned. It is "" for an image given only by its digest, or from a
// file.
func NameOf(ref, pinned string) string {
	r, err := ParseReference(ref)
	if err != nil || r.Kind != KindRegistry {
		return ""
	}
	n, _, byDigest := strings.Cut(r.Name, "@")
	tag := n[strings.LastIndexByte(n, '/')+1:]
	_, tag, tagged := strings.Cut(tag, ":")
	if !tagged {
		if byDigest {
			return ""
		}
		tag = "latest"
	}
	repository, _, _ := strings.Cut(pinned, "@")
	full, err := FullName(repository + ":" + tag)
	if err != nil {
		return ""
	}
	return full
}
