// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pruned is a world with builds of some age, and their ids by what they say.
type pruned struct {
	*world
	xml string
}

// say makes a build whose stage has a layer of a megabyte.
func (p *pruned) say(t *testing.T, what string) {
	t.Helper()
	p.file(t, what+".xml", fmt.Sprintf(p.xml, what))
	p.build(t, what+".xml", "-B", what)
}

// past makes a build, its steps and logs as if all that had been some days ago.
func (p *pruned) past(t *testing.T, id string, days int) {
	t.Helper()
	then := time.Now().AddDate(0, 0, -days)
	note := filepath.Join(p.graph, "carosbuild/builds", id+".json")
	if err := os.Chtimes(note, then, then); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	var info map[string]any
	if err := json.Unmarshal(data, &info); err != nil {
		t.Fatal(err)
	}
	info["started"] = then
	if data, err = json.Marshal(info); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(note, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(note, then, then); err != nil {
		t.Fatal(err)
	}
}

// ids are the builds that are stored, the newest first.
func (p *pruned) ids(t *testing.T) []string {
	t.Helper()
	return strings.Fields(p.ok(t, program(t), "-L").stdout)
}

// TestPrune removes builds by age, name and size, and nothing that another needs.
func TestPrune(t *testing.T) {
	p := &pruned{newWorld(t), "<redo>" + base(t) + `
		<buildstage id="work"><prestage>base</prestage>
			<action>RUN dd if=/dev/urandom of=/%[1]s bs=1M count=8 2>/dev/null</action><action>RUN echo %[1]s > /said</action>
		</buildstage></redo>`}
	for _, id := range []string{"first", "second", "third", "fourth"} {
		p.say(t, id)
	}
	p.ok(t, program(t), "--success-tag", "keep/this:1", "-B", "tagged", "second.xml", "--no-cache")
	p.past(t, "first", 40)
	p.past(t, "second", 35)
	p.past(t, "third", 10)
	p.past(t, "tagged", 50)
	logs := filepath.Join(p.dir, "home/.local/state/carosbuild/logs")

	// A build that had nothing to do is a use, and so is a shell.
	p.past(t, "fourth", 60)
	if r, ran := p.build(t, "fourth.xml"); len(ran) != 0 || r.stdout != "fourth:work\n" {
		t.Fatalf("%v\n%s", ran, r.stdout)
	}
	p.ok(t, program(t), "shell", "second", "/bin/busybox", "true")

	dry := p.ok(t, program(t), "prune", "-n").stdout
	if !strings.Contains(dry, "\nfirst") || !strings.Contains(dry, "\ntagged") || strings.Contains(dry, "second") || !strings.Contains(dry, "would be removed: 2 builds, ") {
		t.Errorf("dry run:\n%s", dry)
	}
	// Other kinds go alone.
	if only := p.ok(t, program(t), "prune", "--all", "--only", "tars,kernels").stdout; !strings.HasPrefix(only, "removed: 0 builds, 0 layers of 0 B, ") {
		t.Errorf("--only tars,kernels:\n%s", only)
	}
	if diff := cmp.Diff([]string{"third", "second", "first", "tagged", "fourth"}, p.ids(t)); diff != "" {
		t.Errorf("builds after a dry run (-want +got):\n%s", diff)
	}
	done := p.ok(t, program(t), "prune").stdout
	if want := strings.NewReplacer("would be removed:", "removed:", "would be left:", "left:").Replace(dry); want != done {
		t.Errorf("a dry run said\n%s\nand then\n%s", dry, done)
	}
	if diff := cmp.Diff([]string{"third", "second", "fourth"}, p.ids(t)); diff != "" {
		t.Errorf("builds (-want +got):\n%s", diff)
	}
	if _, err := os.Lstat(filepath.Join(logs, "first")); err == nil {
		t.Error("logs of a build are left")
	}
	// What has another name is still there.
	p.ok(t, program(t), "shell", "localhost/keep/this:1", "/bin/busybox", "grep", "second", "/said")
	if _, ran := p.build(t, "fourth.xml"); len(ran) != 0 {
		t.Errorf("steps %v were done again", ran)
	}
	p.podmanSees(t)
	if plan := p.ok(t, program(t), "plan", "fourth.xml").stdout; strings.Contains(plan, "  run  ") {
		t.Errorf("records of what stays are gone:\n%s", plan)
	}

	// By size: the builds that were not used for longest.
	r := p.ok(t, program(t), "prune", "--max-size", "30M")
	if diff := cmp.Diff([]string{"second", "fourth"}, p.ids(t)); diff != "" || r.stderr != "" {
		t.Errorf("builds (-want +got):\n%s%s", diff, r.stdout+r.stderr)
	}
	r = p.ok(t, program(t), "prune", "--max-size", "1M")
	if diff := cmp.Diff([]string{"fourth"}, p.ids(t)); diff != "" || !strings.Contains(r.stderr, "takes more than 1M") {
		t.Errorf("builds (-want +got):\n%s%s", diff, r.stdout+r.stderr)
	}

	// The steps of a failed build, which has no image.
	p.file(t, "bad.xml", "<redo>"+base(t)+`<buildstage id="work"><prestage>base</prestage><action>RUN echo 1 &gt; /1</action><action>RUN false</action></buildstage></redo>`)
	for i, want := range [][]string{{"work 1/2"}, nil, {"work 1/2"}} {
		r := p.carosbuild(t, "--progress=plain", "-F", "-B", fmt.Sprint("bad", i), "bad.xml")
		if diff := cmp.Diff(want, executed(r.stderr)); r.status != 1 || diff != "" {
			t.Errorf("build %d, exit status %d (-want +got):\n%s", i, r.status, diff)
		}
		p.ok(t, program(t), "prune", "--older-than", []string{"1h", "0d", "1w"}[i])
	}
	if notes, err := filepath.Glob(filepath.Join(p.graph, "carosbuild/builds/bad*")); err != nil || len(notes) != 1 {
		t.Errorf("notes of builds without images: %v, %v", notes, err)
	}
	p.say(t, "fourth")

	// By name, and then everything.
	if r := p.carosbuild(t, "prune", "fif*"); r.status != 2 || !strings.Contains(r.stderr, "no build fif* of") {
		t.Errorf("%d %s", r.status, r.stderr)
	}
	p.say(t, "fifth")
	p.ok(t, program(t), "prune", "fourth")
	if _, ran := p.build(t, "fifth.xml"); len(ran) != 0 {
		t.Errorf("steps %v were done again", ran)
	}
	p.ok(t, program(t), "prune", "--all")
	if ids := p.ids(t); len(ids) != 0 {
		t.Errorf("builds %v are left", ids)
	}
	for _, dir := range []string{filepath.Join(p.graph, "carosbuild/records"), filepath.Join(p.graph, "carosbuild/builds"), logs} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 4 || len(left) > 0 && dir == logs {
			t.Errorf("%s has %v, %v", dir, left, err)
		}
	}
	if _, ran := p.build(t, "fifth.xml"); len(ran) != 2 { // the image keep/this has the base
		t.Errorf("steps %v were done", ran)
	}
	p.podmanSees(t)
	p.busy(t)
}

// TestPruneSpares: what podman has made stays, and so do its containers' images, and
// what was pulled is as old as its pull.
func TestPruneSpares(t *testing.T) {
	podman := tool(t, "podman")
	if os.Getuid() == 0 {
		t.Skip("podman of the superuser does not read layers of a namespace")
	}
	p := &pruned{newWorld(t), "<redo>" + base(t) + `<buildstage id="work"><prestage>base</prestage><action>RUN echo %s > /said</action></buildstage></redo>`}
	p.setenv("SOURCE_DATE_EPOCH=1000000000")
	p.say(t, "one")
	p.say(t, "two")
	p.ok(t, program(t), "export", "two:work", "--to", "oci:layout")
	p.ok(t, podman, "create", "--network", "none", "--name", "c", "localhost/carosbuild/one:work", "/bin/true")
	p.file(t, "Containerfile", "FROM localhost/carosbuild/two:work\nENV A=1\n")
	theirs := strings.TrimSpace(p.ok(t, podman, "build", "-q", "-f", "Containerfile", ".").stdout)

	r := p.ok(t, program(t), "prune", "one")
	if !strings.Contains(r.stderr, "build one stays: podman has a container of it") || !strings.Contains(r.stdout, "removed: 0 builds") {
		t.Errorf("with a container:\n%s%s", r.stdout, r.stderr)
	}
	if said := p.said(t, "localhost/carosbuild/one:work"); said != "one" {
		t.Errorf("the container's image says %q", said)
	}
	p.ok(t, program(t), "prune", "two")
	if diff := cmp.Diff([]string{"one"}, p.ids(t)); diff != "" {
		t.Errorf("builds (-want +got):\n%s", diff)
	}
	if said := p.said(t, theirs); said != "two" {
		t.Errorf("podman's image says %q", said)
	}
	p.ok(t, podman, "rm", "c")
	p.ok(t, program(t), "prune", "one")

	// Pulled, and once more; but not in the place of a build.
	p.say(t, "three")
	for range 2 {
		p.ok(t, program(t), "pull", "oci:layout", "pulled:work")
	}
	if r := p.carosbuild(t, "pull", "oci:layout", "three:work"); r.status != 2 || !strings.Contains(r.stderr, "build three was made here") {
		t.Errorf("pull over a build: %d %s", r.status, r.stderr)
	}
	p.ok(t, program(t), "prune")
	if diff := cmp.Diff([]string{"pulled", "three"}, p.ids(t)); diff != "" {
		t.Errorf("builds (-want +got):\n%s", diff)
	}
	if r := p.carosbuild(t, "pull", "--arch", "s390x", "oci:layout", "other:work"); r.status != 2 || !strings.Contains(r.stderr, `not "s390x"`) {
		t.Errorf("pull of another architecture: %d %s", r.status, r.stderr)
	}
	p.ok(t, program(t), "prune", "--all")
	if said := p.said(t, theirs); said != "two" {
		t.Errorf("podman's image says %q", said)
	}
}

// said is what the image of a stage says, as podman reads it.
func (p *pruned) said(t *testing.T, image string) string {
	t.Helper()
	return strings.TrimSpace(p.ok(t, tool(t, "podman"), "unshare", "sh", "-c", `cat "$(podman image mount "$1")/said"`, "sh", image).stdout)
}

// podmanSees reads all that podman knows of the store.
func (p *pruned) podmanSees(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		return // podman of the superuser does not read layers of a namespace
	}
	out := p.ok(t, tool(t, "podman"), "images", "--format", "{{.ID}}").stdout
	for _, id := range strings.Fields(out) {
		p.ok(t, tool(t, "podman"), "image", "tree", id)
	}
}

// busy: a store that somebody has open is not touched.
func (p *pruned) busy(t *testing.T) {
	t.Helper()
	p.file(t, "slow.xml", "<redo>"+base(t)+`<buildstage id="slow"><prestage>base</prestage><action>RUN echo sleeping; sleep 3</action></buildstage></redo>`)
	cmd := p.command(t.Context(), program(t), "--progress=plain", "slow.xml")
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(errs)
	for sc.Scan() && !strings.Contains(sc.Text(), "| sleeping") {
	}
	if r := p.carosbuild(t, "prune", "--all"); r.status != 4 || !strings.Contains(r.stderr, "in use by another carosbuild") {
		t.Errorf("%d %s%s", r.status, r.stdout, r.stderr)
	}
	for sc.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the build: %v", err)
	}
}
