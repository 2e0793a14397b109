// SPDX-License-Identifier: MPL-2.0

package oci

import "context"

// findFile finds an image in a layout or an archive.
func findFile(ref string) (Source, error) {
	p, err := ParseReference(ref)
	if err != nil {
		return Source{}, err
	}
	return FindFile(p, PlatformOf("amd64"), "")
}

func resolve(ref string) (string, error) {
	src, err := findFile(ref)
	return src.Ref, err
}

func openTars(ctx context.Context, ref string, cache TarCache) (*Tars, error) {
	src, err := findFile(ref)
	if err != nil {
		return nil, err
	}
	return src.OpenTars(ctx, cache)
}
