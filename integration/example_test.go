// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"os"
	"strings"
	"testing"
)

// example is the first block of XML of the manual that has a text in it.
func example(t *testing.T, has string) string {
	t.Helper()
	manual, err := os.ReadFile("../docs/declaration.md")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(manual), "```xml\n") {
		if text, _, ok := strings.Cut(block, "```"); ok && strings.Contains(text, has) {
			return text
		}
	}
	t.Fatalf("the manual has no example with %q", has)
	return ""
}

// The manual's first disk boots: by itself, and from each controller that its
// firmware reads.
func TestManualsExampleBoots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.file(t, "router.xml", example(t, `<disk id="router"`))
	w.file(t, "bird.conf", "protocol device {}\n")
	w.build(t, "router.xml", "--out", "router.vmdk")
	slots := make(chan struct{}, 2)
	for name, args := range map[string][]string{
		"by itself": {"--expect", "login: "},
		"virtio":    {"--bus", "virtio", "--expect", "Welcome to .*Debian"},
		"nvme":      {"--bus", "nvme", "--expect", "Welcome to .*Debian"},
		"ide":       {"--bus", "ide", "--expect", "Welcome to .*Debian"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			w.ok(t, program(t), append([]string{"boot", "router.vmdk", "--accel", "tcg", "--timeout", "10m"}, args...)...)
		})
	}
}
