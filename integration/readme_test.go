// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readmeCommands are the command lines of the README below a heading.
func readmeCommands(t *testing.T, heading string) []string {
	t.Helper()
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("the README has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var lines []string
	for line := range strings.Lines(section) {
		if command, ok := strings.CutPrefix(line, "    carosbuild "); ok {
			command, _, _ = strings.Cut(command, " #")
			lines = append(lines, strings.TrimSpace(command))
		}
	}
	return lines
}

// runReadme runs the README's commands about what is built: as they stand, but
// for the names that stand for others.
func runReadme(t *testing.T, v vmware) {
	names := strings.NewReplacer("BUILDID:STAGE", v.buildID+":900-release", "BUILDID", v.buildID, "SOURCE", v.buildID+":900-release",
		"registry.example.org", startRegistry(t, v.world), "old.vmdk", "caros.vmdk", "new.img", "caros.raw", "--out caros.vmdk", "--out readme.vmdk")
	ran := 0
	for _, heading := range []string{"Stages are images", "A disk from an image", "Look at a disk", "What it needs"} {
		for _, line := range readmeCommands(t, heading) {
			line = names.Replace(line)
			r := v.carosbuild(t, strings.Fields(line)...)
			if r.status != 0 {
				t.Errorf("carosbuild %s: status %d\n%s%s", line, r.status, tailOf(r.stdout), tailOf(r.stderr))
			}
			ran++
		}
	}
	if ran < 10 {
		t.Errorf("only %d commands were found", ran)
	}
	v.ok(t, tool(t, "qemu-img"), "check", filepath.Join(v.work, "readme.vmdk"))
}
