// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/words"
)

// LeafStage is the word by which a disk names the only leaf of the declaration. A
// stage that has this name takes precedence.
const LeafStage = "leaf"

// deployScheme begins a value that names files that bitbake has deployed.
const deployScheme = "deploy:"

// DeployKinds are the words that may follow "deploy:".
var DeployKinds = []string{"rootfs", "kernel", "dtb", "modules", "u-boot", "bootscript", "systemd-boot", "grub-efi", "efi-stub", "iso"}

// DeployKind returns the kind that a value of the form deploy:KIND names.
func DeployKind(v string) (kind string, ok bool) { return strings.CutPrefix(v, deployScheme) }

// checkSource allows deploy:KIND, and a path in a stage with a pattern.
func checkSource(v string) *flaw {
	kind, ok := DeployKind(v)
	if !ok {
		return checkGlob(v)
	}
	if slices.Contains(DeployKinds, kind) {
		return nil
	}
	right, _ := correct(kind, DeployKinds)
	hint := "did you mean " + finding.QuoteValue(deployScheme+right) + "?"
	if right == "" {
		hint = deployScheme + "KIND, where KIND is one of " + words.List(DeployKinds)
	}
	return &flaw{text: "is unknown", hint: hint, from: 0, to: len(v), part: true}
}

// checkDeployName checks the name of a machine or an image.
var checkDeployName = matches(`^[A-Za-z0-9][A-Za-z0-9.+_-]*$`, "is not the name of a machine or image", "as bitbake has it, such as qemux86-64 or core-image-minimal")

// PartUUID matches a reference to the PARTUUID of a partition by the partition's
// name.
var PartUUID = lazyregexp.New(`\{partuuid:([^{}]*)\}`)

// checkPartUUIDs reports references to the PARTUUID of a partition that the disk
// does not have.
func checkPartUUIDs(rep *xmltext.Report, parts []*xmltext.Node) {
	var known []string
	for _, p := range parts {
		if name := p.Value("name"); name != "" {
			known = append(known, name)
		}
	}
	check := func(s string, at func(from, to int) xmltext.Place) {
		for _, m := range PartUUID().FindAllStringSubmatchIndex(s, -1) {
			name := s[m[2]:m[3]]
			if slices.Contains(known, name) {
				continue
			}
			rep.Errorf(at(m[0], m[1]), words.DidYouMean(name, known), "the disk has no partition with the name %s", finding.QuoteValue(name))
		}
	}
	for _, p := range parts {
		for _, k := range p.Kids {
			if a := k.Attr("cmdline"); a != nil {
				check(a.Value.S, func(from, to int) xmltext.Place { return a.Value.Place(from, to) })
			}
			if k.Name == "file" || k.Name == "bootscript" {
				t := k.Text()
				check(t.S, t.Place)
			}
		}
	}
}
