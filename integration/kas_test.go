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

// kasProject makes a project of kas with a layer of its own, a patch, and a file
// that it includes from another repository.
func (w *world) kasProject(t *testing.T) {
	t.Helper()
	w.file(t, "git/meta-x/kas/common.yml", "header: {version: 14}\nmachine: testbox\ndistro: test\n"+
		"repos:\n  meta-x: {layers: {sub: , other: disabled}}\n  poky:\n    url: https://git.example.org/poky\n    branch: master\n    layers: {meta: }\n"+
		"    patches: {one: {repo: project, path: patches}}\n")
	w.repository(t, "meta-x", "sub", "other")
	w.file(t, "project/kas.yml", `header:
  version: 14
  includes:
    - {repo: meta-x, file: kas/common.yml}
target: [hello, mc:second:more]
env:
  GREETING: "two words"
repos:
  project:
    layers: {meta-ours: {prio: 7}}
  meta-x: {url: "https://git.example.org/meta-x.git", branch: master}
local_conf_header:
  site: |
    SITE = "x"
artifacts: {text: tmp/deploy/images/testbox/hello.txt}
`)
	w.file(t, "project/meta-ours/conf/layer.conf", "# ours\n")
	w.file(t, "project/patches/series", "# of quilt\nfirst.patch # a word\n")
	w.file(t, "project/patches/first.patch", "--- a/meta/conf/layer.conf\n+++ b/meta/conf/layer.conf\n@@ -1 +1,2 @@\n # poky/meta\n+# patched\n")
	// The host stage has no git: patch does what is asked of it.
	w.file(t, "project/git", "#!/bin/sh\n[ \"$1 $2\" = 'apply --whitespace=nowarn' ] && exec patch -p1 -i \"$3\"\n")
	w.file(t, "project/host.xml", `<redo><buildstage id="010-host"><action>FROM ubuntu:14.04</action><action>ADD --chmod=0755 git /usr/bin/git</action></buildstage></redo>`)
	dir := filepath.Join(w.work, "project")
	w.git(t, dir, "init", "--quiet")
}

// TestKas builds a project of kas, with an overlay that names another host stage,
// and a stand-in for bitbake.
func TestKas(t *testing.T) {
	w := newWorld(t)
	w.registryWithUbuntu(t)
	locked := w.poky(t)
	w.kasProject(t)
	w.file(t, "project/kas.lock.yml", "header: {version: 14}\noverrides: {repos: {poky: {commit: "+locked+"}}}\n")
	w.file(t, "git/poky/later", "")
	w.git(t, filepath.Join(w.work, "git/poky"), "add", "later")
	w.git(t, filepath.Join(w.work, "git/poky"), "commit", "-qm", "later")
	more := []string{"project/host.xml", "--remote", "git.example.org=" + w.work + "/git/"}
	build := func(id string, args ...string) []string {
		_, ran := w.build(t, append(append(args, more...), "-B", id)...)
		return ran
	}
	if ran := build("k1", "kas", "project/kas.yml"); len(ran) != 10 {
		t.Errorf("%d steps ran, want 10: %v", len(ran), ran)
	}
	inside := func(id string, command ...string) string {
		return w.ok(t, program(t), append([]string{"shell", id + ":030-bitbake"}, command...)...).stdout
	}
	got := inside("k1", "/bin/cat", "/REDO/build/tmp/deploy/images/testbox/hello.txt")
	const tree = "/REDO/source/poky/"
	want := "hello for testbox, by uid 0\n" + tree + "project/meta-ours\n" + tree + "meta-x/sub\n" + tree + "meta\n"
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("what bitbake saw (-got +want):\n%s", diff)
	}
	got = inside("k1", "/bin/sh", "-c", "ls "+tree+"later 2>/dev/null; cat "+tree+"meta/conf/layer.conf; echo $GREETING; grep -v '^[A-Z_]* = ' /REDO/build/conf/local.conf")
	want = "# poky/meta\n# patched\ntwo words\n\n\nunset PACKAGE_CLASSES\nunset USER_CLASSES\nunset PATCHRESOLVE\n\n# site\n\n" +
		"MACHINE ??= \"testbox\"\nDISTRO ??= \"test\"\nBBMULTICONFIG ?= \"second\"\n"
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("in the stage (-got +want):\n%s", diff)
	}
	w.ok(t, program(t), "results", "k1", "--to", "out")
	if _, err := os.Stat(filepath.Join(w.work, "out/hello.txt")); err != nil {
		t.Errorf("the artifact is not among the results: %v", err)
	}

	// The declaration that import prints is the same.
	text := w.ok(t, program(t), "import", "project/kas.yml", more[1], more[2]).stdout
	w.file(t, "project/made.xml", text)
	if ran := build("k2", "project/made.xml"); len(ran) != 0 {
		t.Errorf("what import printed runs %v", ran)
	}

	// A change of the project's own layer counts before it is committed.
	w.file(t, "project/meta-ours/conf/layer.conf", "# ours, changed\n")
	if ran := build("k3", "project/kas.yml"); len(ran) == 0 {
		t.Error("a change of the project's layer is not seen")
	}

	// Without kas' lock file the branch counts; carosbuild's own pins it again.
	w.ok(t, program(t), append([]string{"lock", "project/kas.yml", "--update"}, more...)...)
	if _, err := os.Stat(filepath.Join(w.work, "project/kas.yml.lock")); err != nil {
		t.Error(err)
	}
	build("k4", "build", "--update", "project/kas.yml")
	if got := inside("k4", "/bin/sh", "-c", "ls "+tree+"later"); got != tree+"later\n" {
		t.Errorf("--update leaves the commit of kas' lock file: %q", got)
	}
}

// TestKasPoky has a real bitbake parse all of poky and run a task, from a project
// of kas: of a repository that CAROSBUILD_POKY names.
func TestKasPoky(t *testing.T) {
	poky := os.Getenv("CAROSBUILD_POKY")
	if poky == "" {
		t.Skip("NOT TESTED: real bitbake from a project of kas. CAROSBUILD_POKY names no git repository of poky; TestKas has a stand-in for bitbake")
	}
	revision := os.Getenv("CAROSBUILD_POKY_REVISION")
	if revision == "" {
		revision = "scarthgap"
	}
	w := newWorld(t)
	w.file(t, "kas.yml", `header: {version: 14}
machine: qemux86-64
distro: poky
target: core-image-minimal
task: listtasks
repos:
  ours: {path: ours, layers: {meta-ours: }}
  poky: {url: "https://git.example.org/poky", branch: `+revision+`, layers: {meta: , meta-poky: , meta-yocto-bsp: }}
local_conf_header:
  offline: |
    BB_NO_NETWORK = "1"
    CONNECTIVITY_CHECK_URIS = ""
    INHERIT:remove = "uninative"
    BB_HASHSERVE = ""
    BB_SIGNATURE_HANDLER = "OEBasicHash"
    BB_NUMBER_THREADS = "2"
  classes: |
    PACKAGE_CLASSES ?= "package_rpm"
`)
	w.file(t, "ours/meta-ours/conf/layer.conf", "BBPATH .= \":${LAYERDIR}\"\nBBFILE_COLLECTIONS += \"ours\"\nBBFILE_PATTERN_ours = \"\"\nLAYERSERIES_COMPAT_ours = \""+revision+"\"\n")
	more := w.file(t, "more.xml", `<redo><buildstage id="040-look"><prestage>030-bitbake</prestage>
		<action>RUN cd /REDO/source/poky &amp;&amp; . ./oe-init-build-env /REDO/build &gt;/dev/null &amp;&amp; bitbake-getvar --value PACKAGE_CLASSES &amp;&amp; bitbake-layers show-layers</action></buildstage></redo>`)
	r, _ := w.build(t, "kas", "kas.yml", more, "-B", "poky", "--remote", "https://git.example.org/poky="+poky)
	for _, want := range []string{"0 errors", "all succeeded", "do_rootfs", "package_rpm", "/REDO/source/poky/ours/meta-ours"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("bitbake did not print %q\n%s", want, tailOf(r.stderr))
		}
	}
}
