// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// Fill fills in what stands in braces in a reference, such as {stage}. Another name in
// braces is an error, and so is a brace alone.
func Fill(template string, values map[string]string) (string, error) {
	var out strings.Builder
	for rest := template; ; {
		before, after, open := strings.Cut(rest, "{")
		out.WriteString(before)
		if strings.Contains(before, "}") || open && !strings.Contains(after, "}") {
			return "", fmt.Errorf("%q has a brace alone", terminal.Excerpt(template))
		}
		if !open {
			return out.String(), nil
		}
		var name string
		name, rest, _ = strings.Cut(after, "}")
		value, ok := values[name]
		if !ok {
			return "", fmt.Errorf("{%s} is not known: there are {%s}", terminal.Excerpt(name), strings.Join(slices.Sorted(maps.Keys(values)), "}, {"))
		}
		out.WriteString(value)
	}
}

// Tagged reports whether a reference to an image of a registry or a layout has a tag.
func Tagged(ref string) bool {
	r, err := ParseReference(ref)
	if err != nil {
		return false
	}
	if r.Kind != KindRegistry {
		return r.Name != ""
	}
	return strings.Contains(r.Name[strings.LastIndexByte(r.Name, '/')+1:], ":")
}

// FindOnly is the image of a layout or an archive that its reference names, whatever
// platform it is for, if there is no other one.
func FindOnly(p Reference, scratch string) (Source, error) {
	return FindFile(p, anyPlatform(), scratch)
}
