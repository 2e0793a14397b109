// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// PlatformOf is the platform for a Go or Debian architecture name, which may have a
// variant: arm/v6.
func PlatformOf(arch string) v1.Platform {
	arch, variant, _ := strings.Cut(arch, "/")
	p := v1.Platform{OS: "linux", Architecture: arch, Variant: variant}
	switch arch {
	case "":
		return PlatformOf(runtime.GOARCH)
	case "armhf", "arm":
		p.Architecture = "arm"
		if variant == "" {
			p.Variant = "v7"
		}
	case "armel":
		p.Architecture = "arm"
		if variant == "" {
			p.Variant = "v5"
		}
	case "i386":
		p.Architecture = "386"
	case "ppc64el":
		p.Architecture = "ppc64le"
	case "mips64el":
		p.Architecture = "mips64le"
	}
	return p
}

// Architecture is the name in images for a Go or Debian architecture.
func Architecture(arch string) string { return PlatformOf(arch).Architecture }

// Candidate is one of the images that a reference may mean.
type Candidate struct {
	Digest   v1.Hash
	Platform *v1.Platform                   // nil: not stated
	Config   func() (*v1.ConfigFile, error) // states it, too
	label    string                         // tag or name that selects it, or ""
	of       int                            // which of several groups with a name it belongs to
	Open     func() (v1.Image, error)
}

// Choose selects the image for a platform, wherever it is from: the exact variant,
// else the best that runs there, else the only one of that architecture. A single
// image that does not say what it is for is taken as it is, and any single image for
// no platform.
func Choose(all []Candidate, want v1.Platform) (Candidate, error) {
	all = distinct(all)
	if len(all) == 1 && (all[0].Platform == nil || want.Equals(anyPlatform())) {
		return all[0], nil
	}
	var fit []Candidate
	for i := range all {
		if err := all[i].learn(); err != nil {
			return Candidate{}, err
		}
		if p := all[i].Platform; p.OS == want.OS && p.Architecture == want.Architecture {
			fit = append(fit, all[i])
		}
	}
	if len(fit) == 0 {
		return Candidate{}, fmt.Errorf("no image for %s%s", platformName(want), having(all))
	}
	slices.SortStableFunc(fit, func(a, b Candidate) int { return variantRank(*a.Platform, want) - variantRank(*b.Platform, want) })
	best := variantRank(*fit[0].Platform, want)
	if best >= foreignVariant && len(fit) > 1 {
		return Candidate{}, fmt.Errorf("no image for %s%s", platformName(want), having(all))
	}
	var labels []string
	for _, c := range fit {
		if variantRank(*c.Platform, want) == best && (c.of != fit[0].of || len(labels) == 0) {
			labels = append(labels, c.label)
		}
	}
	if len(labels) > 1 {
		return Candidate{}, &ambiguousError{labels}
	}
	return fit[0], nil
}

// anyPlatform is none in particular.
func anyPlatform() v1.Platform { return v1.Platform{} }

// ambiguousError is a choice between images with different names.
type ambiguousError struct{ labels []string }

func (e *ambiguousError) Error() string {
	return fmt.Sprintf("%d images: %s", len(e.labels), strings.Join(e.labels, ", "))
}

func distinct(all []Candidate) []Candidate {
	seen := map[v1.Hash]bool{}
	var out []Candidate
	for _, c := range all {
		if !seen[c.Digest] {
			out = append(out, c)
		}
		seen[c.Digest] = true
	}
	return out
}

// learn takes the platform from the config if the index does not state it.
func (c *Candidate) learn() error {
	if c.Platform != nil {
		return nil
	}
	cfg, err := c.Config()
	if err != nil {
		return err
	}
	c.Platform = &v1.Platform{OS: cfg.OS, Architecture: cfg.Architecture, Variant: cfg.Variant}
	return nil
}

// foreignVariant is the rank from which on a variant does not run on another.
const foreignVariant = 1000

// variantRank says how well a variant suits another one of its architecture: 0
// means equal. An older one runs everywhere, and the closest is the best. For amd64
// and arm64, a newer one than requested may run: users rarely know the variant of
// their machine.
func variantRank(have, want v1.Platform) int {
	if have.Variant == want.Variant {
		return 0
	}
	base := map[string]int{"amd64": 1, "arm64": 8}[want.Architecture]
	h, w := variantNumber(have.Variant, base), variantNumber(want.Variant, base)
	switch {
	case h < 0 || w < 0 || base == 0 && w == 0 && h > 0:
		return foreignVariant
	case base == 0 && h == 0:
		return 100 // not stated: the last that may run
	case h <= w:
		return 1 + w - h
	case base > 0:
		return 100 + h - w
	}
	return foreignVariant
}

// variantNumber is the 7 of v7, base if there is no variant, and negative
// otherwise.
func variantNumber(v string, base int) int {
	if v == "" {
		return base
	}
	n, err := strconv.Atoi(strings.TrimPrefix(v, "v"))
	if err != nil {
		return -1
	}
	return n
}

func platformName(p v1.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return terminal.Excerpt(s)
}

// having lists the available platforms.
func having(all []Candidate) string {
	var names []string
	for _, c := range all {
		if c.Platform.OS != "unknown" && !slices.Contains(names, platformName(*c.Platform)) { // not the attestation of another image
			names = append(names, platformName(*c.Platform))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; there are " + strings.Join(names, ", ")
}
