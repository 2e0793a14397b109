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

// LeafStage is what a disk calls the only leaf of the declaration, whatever its
// name. A stage of that name comes first.
const LeafStage = "leaf"

// deployScheme begins a value that names what bitbake has deployed.
const deployScheme = "deploy:"

// DeployKinds are what can be behind "deploy:".
var DeployKinds = []string{"rootfs", "kernel", "dtb", "modules", "u-boot", "bootscript", "systemd-boot", "grub-efi", "efi-stub", "iso"}

// DeployKind is the kind that a value of the form deploy:KIND names.
func DeployKind(v string) (kind string, ok bool) { return strings.CutPrefix(v, deployScheme) }

// checkSource allows a path in a stage with a pattern, and deploy:KIND.
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
		hint = deployScheme + "KIND has one of " + words.List(DeployKinds)
	}
	return &flaw{text: "is unknown", hint: hint, from: 0, to: len(v), part: true}
}

// checkDeployName is for the names of machines and images.
var checkDeployName = matches(`^[A-Za-z0-9][A-Za-z0-9.+_-]*$`, "is not the name of a machine or image", "as bitbake has it, such as qemux86-64 or core-image-minimal")

// PartUUID stands for the PARTUUID of a partition by its name.
var PartUUID = lazyregexp.New(`\{partuuid:([^{}]*)\}`)

// checkPartUUIDs reports PARTUUIDs of partitions that the disk does not have.
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
