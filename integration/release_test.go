// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// releaseStage has opkg's list of packages behind an absolute link, an
// artifact, and a disk.
func releaseStage(t *testing.T, packages ...string) string {
	status := ""
	for _, p := range packages {
		name, version, _ := strings.Cut(p, " ")
		status += "Package: " + name + "\nVersion: " + version + "\nStatus: install user installed\nArchitecture: all\n\n"
	}
	return "<redo>" + base(t) + `
		<buildstage id="s"><prestage>base</prestage><action><![CDATA[RUN set -e
mkdir -p /var/lib /opt/opkg /out; ln -s /opt/opkg /var/lib/opkg; echo kernel > /out/zImage; echo busybox core2 1.23 > /out/image.manifest
cat > /opt/opkg/status <<END
` + status + `END]]></action></buildstage>
		<artifact stage="s" path="/out/zImage"/>
		<disk id="d" stage="s"><partition name="root" fs="ext4" size="fit+8M" path="/"/></disk>
	</redo>`
}

func TestRelease(t *testing.T) {
	w := newWorld(t)
	w.setenv("SOURCE_DATE_EPOCH=1459519200")
	w.file(t, "a.xml", releaseStage(t, "lib 1.0-r0", "old 1-r0"))
	w.build(t, "a.xml", "-B", "first", "-o", "d.raw")
	w.ok(t, program(t), "release", "first", "--to", "16.03", "--version", "16.03")
	w.file(t, "a.xml", releaseStage(t, "lib 1.1-r0", "new 1-r0"))
	w.build(t, "a.xml", "-B", "second", "-o", "d2.raw.zst", "-o", "d2.vmdk")
	args := []string{"release", "second", "--version", "16.04", "--var", "distro=caros", "--name-template", "{distro}-{version}-{name}.{ext}"}
	w.ok(t, program(t), append(args, "--to", "16.04", "--since", "16.03", "--link")...)
	w.ok(t, program(t), append(args, "--to", "again", "--since", "16.03")...)
	w.ok(t, program(t), append(args, "--to", "build", "--since", "first")...)

	var names []string
	entries, err := os.ReadDir(filepath.Join(w.work, "16.04"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
		w.ok(t, tool(t, "cmp"), "16.04/"+e.Name(), "again/"+e.Name())
	}
	want := []string{"CHANGES.md", "SHA256SUMS", "caros-16.04-d2.raw.zst", "caros-16.04-d2.raw.zst.bmap", "caros-16.04-d2.vmdk", "caros-16.04-zImage", "packages.manifest", "release.json"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	changes := w.ok(t, tool(t, "cat"), "16.04/CHANGES.md").stdout
	for _, line := range []string{"# 16.04: changes since 16.03", "- lib (all): 1.0-r0 → 1.1-r0", "- new (all) 1-r0", "- old (all) 1-r0", "Build second of 2016-04-01."} {
		if !strings.Contains(changes, line+"\n") {
			t.Errorf("%q is not in\n%s", line, changes)
		}
	}
	w.ok(t, program(t), "release", "second", "--to", "listed", "--packages", "/out/image.manifest")
	if got := w.ok(t, tool(t, "cat"), "listed/packages.manifest").stdout; got != "busybox\t1.23\tcore2\n" {
		t.Errorf("the list of an image: got %q", got)
	}
	if r := w.carosbuild(t, "release", "second", "--to", "x", "--packages", "/none"); r.status == 0 || !strings.Contains(r.stderr, "/none: no such file") {
		t.Errorf("got status %d:\n%s", r.status, r.stderr)
	}
	w.ok(t, tool(t, "grep"), "-x", "# 16.04: changes since first", "build/CHANGES.md")
	a, err := os.Stat(filepath.Join(w.work, "d2.vmdk"))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.Stat(filepath.Join(w.work, "16.04/caros-16.04-d2.vmdk")); err != nil || !os.SameFile(a, b) {
		t.Errorf("no hard link: %v", err)
	}
	for _, c := range []struct{ want, to, name, template string }{
		{"is not empty", "16.04", "second", ""},
		{"would both be", "x", "second", "one"},
		{"no image", "x", "none", ""},
		{"is not known", "x", "second", "{machine}"},
	} {
		args := []string{"release", c.name, "--to", c.to}
		if c.template != "" {
			args = append(args, "--name-template", c.template)
		}
		if r := w.carosbuild(t, args...); r.status == 0 || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%v: got status %d, want an error with %q:\n%s", args, r.status, c.want, r.stderr)
		}
	}
	if err := os.Remove(filepath.Join(w.work, "d2.vmdk")); err != nil {
		t.Fatal(err)
	}
	w.file(t, "d2.vmdk", "another disk")
	if r := w.carosbuild(t, "release", "second", "--to", "x"); r.status == 0 || !strings.Contains(r.stderr, "is not the file that the build wrote") {
		t.Errorf("changed disk: got status %d:\n%s", r.status, r.stderr)
	}
	if _, err := os.Stat(filepath.Join(w.work, "x")); !os.IsNotExist(err) {
		t.Errorf("what failed has left something: %v", err)
	}
	w.work = filepath.Join(w.work, "16.04")
	w.ok(t, tool(t, "sha256sum"), "--strict", "-c", "SHA256SUMS")
}

// TestReleaseLayers has the log of git layers between two builds, from the
// cache alone, of an address that was rewritten.
func TestReleaseLayers(t *testing.T) {
	w := newWorld(t)
	w.file(t, "git/poky/f", "1")
	first := w.repository(t, "poky", "meta")
	w.file(t, "git/poky/f", "2")
	dir := filepath.Join(w.work, "git/poky")
	w.git(t, dir, "commit", "--quiet", "--all", "-m", "second <b>")
	w.file(t, "git/poky/f", "3")
	w.git(t, dir, "commit", "--quiet", "--all", "-m", "third")
	third := w.git(t, dir, "rev-parse", "HEAD")
	for id, revision := range map[string]string{"one": first, "two": third} {
		w.file(t, id+".xml", `<redo><layer_declaration><remote name="yocto" baseurl="git://git.example.org/"/><baselayer remote="yocto" repo="poky" revision="`+revision+`"/></layer_declaration>`+
			standinBase(t, w)+`<buildstage id="s"><prestage>ubuntu</prestage><reposync/></buildstage></redo>`)
		w.build(t, id+".xml", "-B", id, "--remote", "yocto="+w.work+"/git/")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	w.ok(t, program(t), "release", "two", "--to", "out", "--since", "one")
	changes := w.ok(t, tool(t, "cat"), "out/CHANGES.md").stdout
	for _, part := range []string{"git://git.example.org/poky\n\n" + first[:10] + " to " + third[:10] + ":\n\n- " + third[:10] + " third\n- ", " second &lt;b>\n"} {
		if !strings.Contains(changes, part) {
			t.Errorf("%q is not in\n%s", part, changes)
		}
	}
	if data := w.ok(t, tool(t, "cat"), "out/release.json").stdout; strings.Contains(data, w.work) || !strings.Contains(data, third) {
		t.Errorf("release.json names a path of this machine, or no commit:\n%s", data)
	}
}
