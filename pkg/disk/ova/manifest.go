// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"crypto/sha1" // used in older manifests
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

var manifestEntry = lazyregexp.New(`^(SHA1|SHA256|SHA512)\(([^()]+)\)= ?([0-9A-Fa-f]{40,128})$`)

// readManifest assigns each member its digest.
func (c *checker) readManifest() {
	name := strings.TrimSuffix(c.members[0].name, descriptorEnding) + manifestEnding
	m := c.member(name)
	if m == nil {
		c.report("", "the archive has no manifest %s", name)
		return
	}
	for line := range strings.Lines(string(c.metadata(m))) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		c.manifestLine(name, line)
	}
	for i := range c.members {
		if f := &c.members[i]; f.sum == nil && !f.metadata() {
			c.report(f.name, "the manifest has no sum of it")
		}
	}
}

func (c *checker) manifestLine(manifest, line string) {
	part := manifestEntry().FindStringSubmatch(line)
	if part == nil {
		c.report(manifest, "line %q is not ALGORITHM(FILE)= SUM", line)
		return
	}
	sum, err := hex.DecodeString(part[3])
	f := c.member(part[2])
	switch {
	case err != nil || len(sum) != newHash(part[1]).Size():
		c.report(manifest, "the sum of %s is not one of %s", part[2], part[1])
	case f == nil:
		c.report(manifest, "it has a sum of %s, which is not in the archive", part[2])
	case f.sum != nil:
		c.report(manifest, "it has two sums of %s", part[2])
	default:
		f.algorithm, f.sum = part[1], sum
	}
}

func newHash(algorithm string) hash.Hash {
	switch algorithm {
	case "SHA1":
		return sha1.New()
	case "SHA512":
		return sha512.New()
	}
	return sha256.New()
}
