// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const published = "../../shared/declarations/"

// standinBase is a stage with busybox, bash, an apt-get that does nothing, and
// an install that makes directories.
func standinBase(t *testing.T, w *world) string {
	t.Helper()
	w.file(t, "apt-get", "#!/bin/sh\necho \"stand-in apt-get: $*\"\n")
	w.file(t, "install", "#!/bin/sh\n[ \"$1\" = -d ] && shift && mkdir -p \"$@\"\n")
	w.file(t, "passwd", "root:x:0:0:root:/root:/bin/sh\nbuilder:x:1000:1000::/home/builder:/bin/sh\n")
	w.file(t, "group", "root:x:0:\nbuilder:x:1000:\n")
	return base(t) + `<buildstage id="ubuntu"><prestage>base</prestage><action>ADD ` + tool(t, "bash-static") + ` /bin/bash</action>
		<action>ADD --chmod=0755 apt-get /usr/bin/apt-get</action><action>ADD --chmod=0755 install /usr/bin/install</action><action>ADD passwd /etc/passwd</action><action>ADD group /etc/group</action>
		<action>RUN mkdir -m 1777 /tmp</action></buildstage>`
}

// gitIn runs git in a directory of the host.
func (w *world) git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	args = append([]string{"-C", dir, "-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=master", "-c", "safe.directory=*"}, args...)
	return strings.TrimSpace(w.ok(t, tool(t, "git"), args...).stdout)
}

// repository makes a git repository with a layer in each of the directories,
// beside what it has already, and returns its commit.
func (w *world) repository(t *testing.T, name string, layers ...string) string {
	t.Helper()
	for _, l := range layers {
		w.file(t, filepath.Join("git", name, l, "conf/layer.conf"), "# "+name+"/"+l+"\n")
	}
	dir := filepath.Join(w.work, "git", name)
	w.git(t, dir, "init", "--quiet")
	w.git(t, dir, "add", "--all")
	w.git(t, dir, "commit", "--quiet", "-m", name)
	return w.git(t, dir, "rev-parse", "HEAD")
}

// poky makes a repository with the stand-in of poky.
func (w *world) poky(t *testing.T) string {
	t.Helper()
	for name, mode := range map[string]os.FileMode{"oe-init-build-env": 0o644, "bitbake/bin/bitbake": 0o755} {
		data, err := os.ReadFile(filepath.Join("testdata/standin-poky", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(w.file(t, filepath.Join("git/poky", name), string(data)), mode); err != nil {
			t.Fatal(err)
		}
	}
	return w.repository(t, "poky", "meta", "meta-yocto")
}

// registryWithUbuntu serves the stand-in base stage as ubuntu:14.04.
func (w *world) registryWithUbuntu(t *testing.T) {
	t.Helper()
	w.file(t, "ubuntu.xml", "<redo>"+standinBase(t, w)+"</redo>")
	w.build(t, "ubuntu.xml", "-B", "base")
	registry := startRegistry(t, w)
	w.ok(t, program(t), "push", "base:ubuntu", registry+"/ubuntu:14.04")
	conf := w.file(t, "registries.conf", fmt.Sprintf("[aliases]\nubuntu = \"%s/ubuntu\"\n[[registry]]\nlocation = %q\ninsecure = true\n", registry, registry))
	w.setenv("CONTAINERS_REGISTRIES_CONF=" + conf)
}

// layers makes the repositories of the published declarations: their commits, and
// the options that have them taken from here.
func (w *world) layers(t *testing.T) (commits map[string]string, remotes []string) {
	t.Helper()
	commits = map[string]string{"poky": w.poky(t), "meta-openembedded": w.repository(t, "meta-openembedded", "meta-oe", "meta-networking", "meta-python")}
	for _, name := range []string{"meta-caros", "meta-vmware", "meta-lamobo-r1", "meta-virtualization"} {
		commits[name] = w.repository(t, name, ".")
	}
	for _, name := range []string{"yocto", "carosio", "openembedded"} {
		remotes = append(remotes, "--remote", name+"="+w.work+"/git/")
	}
	return commits, remotes
}

// localLayers is an overlay for a published declaration with the commits of the
// local repositories, and what bblayers.conf then has below poky.
func localLayers(declaration string, commits map[string]string) (overlay string, layers []string) {
	var b strings.Builder
	fmt.Fprintf(&b, `<redo><layer_declaration><baselayer remote="yocto" repo="poky" revision=%q/>`, commits["poky"])
	layers = []string{"meta", "meta-yocto"}
	for _, l := range []struct{ name, remote, subdirs string }{
		{"meta-caros", "carosio", ""},
		{"meta-vmware", "carosio", ""},
		{"meta-lamobo-r1", "carosio", ""},
		{"meta-openembedded", "openembedded", "meta-oe meta-networking meta-python"},
		{"meta-virtualization", "yocto", ""},
	} {
		if !strings.Contains(declaration, `"`+l.name+`"`) {
			continue
		}
		fmt.Fprintf(&b, `<layer name=%q remote=%q repo=%q revision=%q subdirs=%q/>`, l.name, l.remote, l.name, commits[l.name], l.subdirs)
		if l.subdirs == "" {
			layers = append(layers, l.name)
		}
		for _, s := range strings.Fields(l.subdirs) {
			layers = append(layers, l.name+"/"+s)
		}
	}
	b.WriteString("</layer_declaration></redo>")
	return b.String(), layers
}

// TestCarOS builds all published declarations of CarOS, unchanged: with
// local repositories in place of those on the net (an overlay names their
// commits, since a commit id cannot be had for the asking), and a
// stand-in for bitbake.
func TestCarOS(t *testing.T) {
	files, err := filepath.Glob(published + "caros/*.xml")
	if err != nil || len(files) == 0 {
		missing(t, "the published declarations are not here")
	}
	w := newWorld(t)
	w.registryWithUbuntu(t)
	commits, remotes := w.layers(t)
	if len(files) != 7 {
		t.Errorf("%d declarations, want 7", len(files))
	}
	for n, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".xml")
		t.Run(name, func(t *testing.T) {
			decl, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			overlay, layers := localLayers(string(decl), commits)
			id := fmt.Sprintf("caros-%d", n)
			abs, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			args := append([]string{abs, w.file(t, id+".xml", overlay), "-B", id}, remotes...)
			out, ran := w.build(t, args...)
			if n == 0 && len(ran) != 10 { // later ones have steps in common with it
				t.Errorf("%d steps ran, want 10: %v", len(ran), ran)
			}
			stage := strings.TrimPrefix(strings.TrimSpace(out.stdout), id+":")
			machine := "vmware"
			if strings.Contains(name, "lamobo") {
				machine = "sun7i-a20-lamobo-r1"
			}
			want := "core-image-caros for " + machine + ", by uid 0\n"
			for _, l := range layers {
				want += "/REDO/source/poky/" + l + "\n"
			}
			got := w.ok(t, program(t), "shell", id+":"+stage, "/bin/cat", "/REDO/build/tmp/deploy/images/"+machine+"/core-image-caros.txt").stdout
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("what bitbake saw (-got +want):\n%s", diff)
			}
			if _, again := w.build(t, args...); len(again) > 0 {
				t.Errorf("a second build ran %v", again)
			}
		})
	}
}

// bitbakeDeclaration works with the stand-in; more begins in its stage, and ends
// the file.
func bitbakeDeclaration(w *world, t *testing.T, revision, more string) string {
	t.Helper()
	return `<redo><layer_declaration><remote name="local" baseurl="` + w.work + `/git/"/><baselayer remote="local" repo="poky" revision="` + revision + `"/></layer_declaration>
<local_conf>
MACHINE = "testbox"
DISTRO = "test"
</local_conf>` + standinBase(t, w) + `<buildstage id="yocto"><prestage>ubuntu</prestage>` + more
}

// TestBitbake: as another user, with caches that outlive a build, progress, and
// logs of what failed.
func TestBitbake(t *testing.T) {
	w := newWorld(t)
	w.poky(t)
	w.file(t, "a.xml", bitbakeDeclaration(w, t, "master", `<action>USER builder</action><reposync/><bitbake_target>hello</bitbake_target>
		<action>RUN id -u; ls -A /REDO/download /REDO/build/sstate-cache; stat -c %u:%g /REDO/source/poky/meta /REDO/source/poky/.git/HEAD /REDO/build</action>
		<bitbake_target command="package" user="root">more</bitbake_target></buildstage></redo>`))
	r, _ := w.build(t, "a.xml", "-B", "b1")
	for _, want := range []string{"| 1000", "| 1000:1000", "NOTE: Running task 3 of 3 (/REDO/build/recipes/more.bb:do_package)"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("no %q in\n%s", want, tailOf(r.stderr))
		}
	}
	if n := strings.Count(r.stderr, "| 1000:1000"); n != 3 {
		t.Errorf("%d of three files are the builder's\n%s", n, tailOf(r.stderr))
	}
	if strings.Contains(r.stderr, "| hello.tar") {
		t.Error("a download is in the image")
	}
	r, _ = w.build(t, "a.xml", "-B", "b2", "--no-cache", "--progress=json")
	for _, want := range []string{"hello: downloaded before", "hello: in the shared state", `"total":3,"unit":"tasks"`} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("no %q in the second build\n%s", want, tailOf(r.stderr))
		}
	}
	for _, build := range []string{"b2", "b1"} {
		// A shell in the stage sees what a step does; in the bare image there is no build id.
		if got := w.ok(t, program(t), "shell", w.imageID(t, build, "yocto"), "/bin/sh", "-c", "ls /REDO/source").stdout; got != "poky\n" {
			t.Errorf("/REDO/source of %s has %q, want poky alone", build, got)
		}
		if got := w.ok(t, program(t), "shell", build+":yocto", "/bin/sh", "-c", "cat /REDO/source/BUILDID").stdout; got != build {
			t.Errorf("a shell in %s sees build id %q", build, got)
		}
	}

	w.file(t, "b.xml", bitbakeDeclaration(w, t, "master", `<reposync/><bitbake_target>fine broken</bitbake_target></buildstage></redo>`))
	bad := w.carosbuild(t, "b.xml", "-B", "b3", "--progress=plain")
	_, at, _ := strings.Cut(bad.stderr, "task logs:")
	at, _, _ = strings.Cut(strings.TrimSpace(at), "\n")
	if bad.status != 1 || at == "" {
		t.Fatalf("exit status %d, want 1 and the task logs\n%s", bad.status, tailOf(bad.stderr))
	}
	var names []string
	entries, err := os.ReadDir(at)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"broken-1.0-r0-log.do_compile.99", "cooker-console.log"}; !slices.Equal(names, want) {
		t.Errorf("logs %v, want %v", names, want)
	}
	text, err := os.ReadFile(filepath.Join(at, names[0]))
	if err != nil || string(text) != "the compiler says no\n" {
		t.Errorf("the task's log is %q, %v", text, err)
	}
}

// TestDeployedImage makes a disk of what a bitbake stage has deployed.
func TestDeployedImage(t *testing.T) {
	w := newWorld(t)
	w.poky(t)
	w.file(t, "a.xml", bitbakeDeclaration(w, t, "master", `<reposync/><bitbake_target>rootfs</bitbake_target></buildstage>
	<disk id="card" stage="yocto" table="mbr">
		<blob from="/REDO/build/tmp/deploy/images/*/u-boot-*.bin" at="8K"/>
		<partition fs="fat16" size="16M" active="yes"><copy from="/REDO/build/tmp/deploy/images/*/bzImage" to="/zImage"/></partition>
		<partition fs="ext4" label="root" size="fit+4M" path="/REDO/build/tmp/deploy/images/*/core-image-*.tar.gz"/>
	</disk></redo>`))
	w.build(t, "a.xml", "--out", "card.img")
	inspect := func(args ...string) string {
		return w.ok(t, program(t), append([]string{"inspect", "card.img"}, args...)...).stdout
	}
	if got := inspect("--cat", "2:/etc/hostname"); got != "testbox\n" {
		t.Errorf("the root file system's name is %q", got)
	}
	if got := inspect("--cat", "1:/zImage"); got != "kernel\n" {
		t.Errorf("the kernel is %q", got)
	}
	inspect("--check")
	card, err := os.ReadFile(filepath.Join(w.work, "card.img"))
	if err != nil || string(card[8<<10:12<<10]) != strings.Repeat("u", 4096) {
		t.Errorf("u-boot is not at 8 KiB: %v", err)
	}
	w.build(t, "a.xml", "-B", "redomat")
	t.Run("README", func(t *testing.T) { runReadmeOfRedomat(t, w, "redomat", "a.xml", "--remote", "local="+w.work+"/git/") })
}

// TestReposyncMoves: another commit replaces the files of the one before it, in
// a later stage too, and leaves alone what git does not know.
func TestReposyncMoves(t *testing.T) {
	w := newWorld(t)
	w.file(t, "git/poky/old", "1")
	w.file(t, "git/poky/both", "1")
	w.file(t, "git/poky/dir/old", "1")
	first := w.repository(t, "poky", "meta")
	dir := filepath.Join(w.work, "git/poky")
	for _, f := range []string{"old", "dir/old"} {
		if err := os.Remove(filepath.Join(dir, f)); err != nil {
			t.Fatal(err)
		}
	}
	w.file(t, "git/poky/both", "2")
	w.file(t, "git/poky/new", "2")
	second := w.repository(t, "poky", "meta")
	layer := w.repository(t, "meta-x", ".")
	declaration := func(revision string) string {
		return `<redo><layer_declaration><remote name="local" baseurl="` + w.work + `/git/"/><baselayer remote="local" repo="poky" revision="` + revision + `"/>
		<layer name="meta-x" remote="local" repo="meta-x" revision="` + layer + `"/></layer_declaration>`
	}
	w.file(t, "one.xml", declaration(first)+standinBase(t, w)+`<buildstage id="one"><prestage>ubuntu</prestage><reposync/>
		<action>RUN cd /REDO/source/poky &amp;&amp; touch untracked dir/untracked &amp;&amp; ln -s /etc link &amp;&amp; test -f old</action></buildstage></redo>`)
	w.build(t, "one.xml", "-B", "one")
	w.ok(t, program(t), "export", "one:one", "--to", "oci:one:v1")
	w.file(t, "two.xml", declaration(second)+`<buildstage id="two"><action>FROM oci:one:v1</action><reposync/></buildstage></redo>`)
	w.build(t, "two.xml", "-B", "two")
	got := w.ok(t, program(t), "shell", "two:two", "/bin/sh", "-c", "cd /REDO/source/poky && find . -path ./.git -prune -o -path ./meta-x/.git -prune -o ! -type d -print | sort && cat both .git/HEAD").stdout
	want := "./both\n./dir/untracked\n./link\n./meta-x/conf/layer.conf\n./meta/conf/layer.conf\n./new\n./untracked\n2ref: refs/heads/carosbuild\n"
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("the tree after another reposync (-got +want):\n%s", diff)
	}
	tree := filepath.Join(w.dir, "tree")
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	w.ok(t, "/bin/sh", "-c", program(t)+" shell two:two /bin/tar c -C /REDO/source/poky . | tar x -C "+tree)
	if got := w.git(t, tree, "rev-parse", "HEAD"); got != second {
		t.Errorf("HEAD is %s, want %s", got, second)
	}
	if got, want := w.git(t, tree, "status", "--porcelain"), "?? dir/\n?? link\n?? meta-x/\n?? untracked"; got != want {
		t.Errorf("git status says %q, want %q", got, want)
	}
	w.git(t, tree, "fsck", "--strict")
}

// imageID is the id of a stage's image in the store.
func (w *world) imageID(t *testing.T, build, stage string) string {
	t.Helper()
	var rows []struct {
		Stage string `json:"stage"`
		Image string `json:"image"`
	}
	out := w.ok(t, program(t), "images", "--json", build).stdout
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Stage == stage {
			return r.Image
		}
	}
	t.Fatalf("no image of %s:%s in %s", build, stage, out)
	return ""
}
