// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"net/http"
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

// runReadmeLines runs commands of the README, with the names that stand for
// others replaced. Two that are joined run one after the other.
func runReadmeLines(t *testing.T, w *world, lines []string, names ...string) {
	t.Helper()
	others := strings.NewReplacer(names...)
	for _, line := range lines {
		for command := range strings.SplitSeq(others.Replace(line), " && carosbuild ") {
			r := w.carosbuild(t, strings.Fields(strings.ReplaceAll(command, "'", ""))...)
			if r.status != 0 {
				t.Errorf("carosbuild %s: status %d\n%s%s", command, r.status, tailOf(r.stdout), tailOf(r.stderr))
			}
		}
	}
}

// runReadme runs the README's commands about what is built: as they stand, but
// for the names that stand for others.
func runReadme(t *testing.T, v vmware) {
	var lines []string
	for _, heading := range []string{"Stages are images", "A disk from an image", "Formats", "Look at a disk", "What it needs"} {
		lines = append(lines, readmeCommands(t, heading)...)
	}
	if len(lines) < 11 {
		t.Errorf("only %d commands were found", len(lines))
	}
	runReadmeLines(t, v.world, lines, "BUILDID:STAGE", v.buildID+":900-release", "BUILDID", v.buildID, "SOURCE", v.buildID+":900-release",
		"registry.example.org", startRegistry(t, v.world), "old.vmdk", "caros.vmdk", "new.img", "caros.raw",
		"--out caros.vmdk", "--out readme.vmdk", "--out caros.ova", "--out readme.ova")
	for _, name := range []string{"readme.vmdk", "caros.qcow2"} {
		v.ok(t, tool(t, "qemu-img"), "check", name)
	}
	for _, name := range []string{"readme.vmdk", "readme.ova", "caros.img.zst"} { // of the declaration without the test's overlay
		if r := v.ok(t, program(t), "inspect", "--check", name); !strings.Contains(r.stdout, "no damage found") {
			t.Errorf("%s:\n%s", name, r.stdout)
		}
	}
	if r := v.ok(t, program(t), "diff", "caros.qcow2", "readme.ova"); r.stdout != "" {
		t.Errorf("two formats of one disk differ:\n%s", r.stdout)
	}
}

// runReadmeOfRedomat runs the README's commands for people who come from redomat,
// in a world where these arguments have built the build.
func runReadmeOfRedomat(t *testing.T, w *world, buildID string, args ...string) {
	all := strings.Join(args, " ")
	w.packages(t, "old-feed", "1.0-r1")
	w.packages(t, "tmp/deploy/ipk", "1.0-r2")
	var lines []string
	for _, line := range readmeCommands(t, "From redomat") {
		if command, ok := strings.CutPrefix(line, "serve "); ok { // it does not end by itself
			url, stop := w.serve(t, strings.ReplaceAll(command, "BUILDID", buildID), "--listen", "127.0.0.1:0")
			if status, page := fetch(t, url+"/"); status != http.StatusOK || !strings.Contains(string(page), "core-image-") {
				t.Errorf("%s: status %d\n%s", line, status, page)
			}
			stop()
			continue
		}
		if !strings.Contains(line, " yocto-") { // runReadmeOfDisk does
			lines = append(lines, line)
		}
	}
	if len(lines) != 4 {
		t.Errorf("%d commands, want a build, a lock, results and a feed: %q", len(lines), lines)
	}
	runReadmeLines(t, w, lines, "BUILDID", buildID, "caros-16.04-vmware.xml --remote yocto=/srv/git/", all, "caros.xml", all)
	if got := w.ok(t, "/bin/ls", "out", "new-feed/all").stdout; !strings.Contains(got, "core-image-testbox.tar.gz\n") || !strings.Contains(got, "same_1.0-r1_all.ipk\n") {
		t.Errorf("results and feed are\n%s", got)
	}
}

// runReadmeOfDisk runs the README's command that makes a disk of what bitbake has
// deployed, with these arguments in place of the declaration.
func runReadmeOfDisk(t *testing.T, w *world, declaration string, args ...string) {
	t.Helper()
	var lines []string
	for _, line := range readmeCommands(t, "From redomat") {
		if strings.Contains(line, " yocto-") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 || !strings.HasPrefix(lines[0], declaration+" ") {
		t.Fatalf("the README's commands for disks of what is deployed are %q", lines)
	}
	w.ok(t, "rm", "-f", "caros.ova")
	runReadmeLines(t, w, lines, declaration, strings.Join(args, " "))
	checkOVA(t, w, "caros.ova")
}

// packages makes a feed of two packages, of which one is the same in all feeds but
// for the number of its build.
func (w *world) packages(t *testing.T, dir, version string) {
	t.Helper()
	for name, content := range map[string]string{"same": "same", "other": version} {
		w.file(t, "package/"+name+"/data", content)
		w.file(t, "package/"+name+"/DEBIAN/control", "Package: "+name+"\nVersion: "+version+"\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n")
		out := w.file(t, filepath.Join(dir, "all", name+"_"+version+"_all.ipk"), "")
		w.ok(t, tool(t, "dpkg-deb"), "--root-owner-group", "-Zgzip", "--build", "package/"+name, out)
	}
}

// runReadmeOfBoards runs the README's command that begins with a declaration, in a
// world that has most of its stages. The file is a disk without damage.
func runReadmeOfBoards(t *testing.T, w *world, declaration, file string) {
	var lines []string
	for _, line := range readmeCommands(t, "Boards") {
		if strings.HasPrefix(line, declaration+" ") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "--out "+file) {
		t.Fatalf("the README's commands for %s are %q", declaration, lines)
	}
	runReadmeLines(t, w, lines)
	w.ok(t, program(t), "inspect", "--check", file)
}
