// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/source/git"
)

const shared = "../../../shared/declarations/"

// published is one of the published declarations.
func published(t *testing.T, names ...string) *decl.Declaration {
	t.Helper()
	var files []decl.Source
	for _, name := range names {
		data, err := os.ReadFile(shared + name)
		if err != nil {
			t.Skip("the published declarations are not here: ", err)
		}
		files = append(files, decl.Source{Name: name, Dirs: []string{filepath.Dir(shared + name)}, Data: data})
	}
	d, findings := decl.Parse(files...)
	if len(findings) > 0 {
		t.Fatalf("%s: %v", names, findings)
	}
	return d
}

// TestConf compares bitbake's files with golden ones, written by hand after those
// of redomat.
func TestConf(t *testing.T) {
	for _, name := range []string{"caros-15.03-vmware", "caros-15.12-lamobo-r1", "caros-16.04-vmware"} {
		t.Run(name, func(t *testing.T) {
			c := newConf(published(t, "caros/"+name+".xml"))
			for file, got := range map[string]string{"bblayers": c.bbLayers(), "local": c.localConf()} {
				want, err := os.ReadFile("testdata/conf/" + name + "." + file + ".conf")
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(got, string(want)); diff != "" {
					t.Errorf("%s.conf (-got +want):\n%s", file, diff)
				}
			}
		})
	}
}

// TestPublishedChains plans all published declarations, and compares their steps
// with those of redomat.
func TestPublishedChains(t *testing.T) {
	const a = `001-ubuntu: FROM, RUN, RUN, REPOSYNC
002-build-core-image < 001-ubuntu: REPOSYNC, RUN, RUN, BITBAKE
003-build-packages < 002-build-core-image: REPOSYNC`
	const b = `010-ubuntu: FROM, RUN, RUN, REPOSYNC
015-reposync < 010-ubuntu: REPOSYNC, RUN, RUN
020-build-core-image < 015-reposync: BITBAKE`
	const c = b + "\n030-build-packages < 020-build-core-image: REPOSYNC, BITBAKE"
	const hello = `001-busybox: FROM, RUN, RUN
002-hello-world < 001-busybox: ADD, RUN, RUN
003-hello-finish < 002-hello-world: RUN, RUN, RUN`
	const three = `stage1: FROM, RUN, RUN, RUN, RUN, RUN
stage2 < stage1: RUN, RUN, ADD, RUN, RUN
stage3 < stage2: RUN, RUN, RUN, RUN`
	for _, tt := range []struct {
		files []string
		want  string
	}{
		{[]string{"caros/caros-15.03-vmware.xml"}, a + ", BITBAKE"},
		{[]string{"caros/caros-15.10-vmware.xml"}, a + ", BITBAKE"},
		{[]string{"caros/caros-15.11-vmware.xml"}, a + ", BITBAKE"},
		{[]string{"caros/caros-15.12-vmware.xml"}, a + ", BITBAKE"},
		{[]string{"caros/caros-15.12-lamobo-r1.xml"}, a + ", BITBAKE, BITBAKE, BITBAKE"},
		{[]string{"caros/caros-16.01-vmware.xml"}, b},
		{[]string{"caros/caros-16.04-vmware.xml"}, c},
		{[]string{"redomat-example/example.xml"}, three},
		{[]string{"redomat-example/example-base.xml", "redomat-example/example-overlay.xml"}, hello},
	} {
		t.Run(filepath.Base(tt.files[0]), func(t *testing.T) {
			d := published(t, tt.files...)
			targets := DefaultTargets(d)
			if len(targets) != 1 {
				t.Fatalf("targets %v, want one", targets)
			}
			p, err := NewPlan(d, targets, publishedInputs(t, d))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(chains(p), tt.want); diff != "" {
				t.Errorf("chains (-got +want):\n%s", diff)
			}
		})
	}
}

// publishedInputs are made-up results of the look-ups for these declarations.
func publishedInputs(t *testing.T, d *decl.Declaration) Facts {
	t.Helper()
	in := Facts{Arch: "amd64", Images: map[string]string{}, Files: map[string]string{}}
	for _, s := range d.Stages {
		for _, a := range s.Actions {
			switch do := a.(type) {
			case *decl.From:
				in.Images[do.Image] = do.Image + "@sha256:aa"
			case *decl.Copy:
				for _, src := range do.Sources {
					in.Files[SourceKey(s.ID, src)] = "ff"
				}
			}
		}
	}
	if !UsesTrees(d.Stages) {
		return in
	}
	trees, _, err := DeclaredTrees(d) // all revisions are commit ids
	if err != nil {
		t.Fatal(err)
	}
	for i := range trees {
		trees[i].Commit = trees[i].Revision
	}
	in.Trees = trees
	return in
}

// chains is a plan in short form.
func chains(p *Plan) string {
	var lines []string
	for _, s := range p.Stages {
		line := s.ID
		if s.Parent != "" {
			line += " < " + s.Parent
		}
		var kinds []string
		for _, st := range s.Steps {
			kinds = append(kinds, st.Kind)
		}
		lines = append(lines, line+": "+strings.Join(kinds, ", "))
	}
	return strings.Join(lines, "\n")
}

// TestTrees has git trees in the same places as redomat.
func TestTrees(t *testing.T) {
	d := published(t, "caros/caros-15.11-vmware.xml")
	var got []string
	for _, tree := range publishedInputs(t, d).Trees {
		got = append(got, fmt.Sprintf("%s %s %.8s", tree.Path, tree.URL, tree.Commit))
	}
	want := []string{
		"/REDO/source/poky git://git.yoctoproject.org/poky fa55b8e5",
		"/REDO/source/poky/meta-caros git://github.com/carosio/meta-caros 7c2cc27a",
		"/REDO/source/poky/meta-vmware git://github.com/carosio/meta-vmware 84477f5f",
		"/REDO/source/poky/meta-openembedded git://github.com/openembedded/meta-openembedded df2f700d",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("trees (-got +want):\n%s", diff)
	}
}

// TestBitbakeKeys: the key of a bitbake step changes with what the step depends on,
// and with nothing else.
func TestBitbakeKeys(t *testing.T) {
	const base = `<layer_declaration><remote name="r" baseurl="git://h/"/><baselayer remote="r" repo="poky" revision="1234567890123456789012345678901234567890"/>%s</layer_declaration>
		<local_conf>%s</local_conf><buildstage id="s"><action>FROM debian:12</action>%s</buildstage>`
	key := func(layers, conf, action string) string {
		return keyOf(t, fmt.Sprintf(base, layers, conf, action), inputs())
	}
	first := key("", "A=1", "<bitbake_target>a b</bitbake_target>")
	if first != "45ee3a9f98fe3658a789fd48e835403725d7dc5e85900100ec15c641f95cc866" { // see TestKeysStay
		t.Errorf("key %s", first)
	}
	if got := key("", "A=1", "<bitbake_target> a\n b </bitbake_target>"); got != first {
		t.Error("white space between targets changes the key")
	}
	for name, other := range map[string]string{
		"layer":   key(`<layer name="l" remote="r" repo="l" revision="1234567890123456789012345678901234567890"/>`, "A=1", "<bitbake_target>a b</bitbake_target>"),
		"conf":    key("", "A=2", "<bitbake_target>a b</bitbake_target>"),
		"targets": key("", "A=1", "<bitbake_target>ab</bitbake_target>"),
		"command": key("", "A=1", `<bitbake_target command="fetch">a b</bitbake_target>`),
		"user":    key("", "A=1", `<bitbake_target user="me">a b</bitbake_target>`),
		"cache":   key("", "A=1", `<cache path="/REDO/download"/><bitbake_target>a b</bitbake_target>`),
		"kind":    key("", "A=1", "<action>CREATE_LOCAL_CONF</action>"),
	} {
		if other == first {
			t.Errorf("another %s does not change the key", name)
		}
	}
}

// TestReposyncKeys: the path of a tree, and its commit, change the key of the step;
// the name of the revision and the address it was fetched from do not.
func TestReposyncKeys(t *testing.T) {
	key := func(trees ...GitTree) string {
		in := inputs()
		in.Trees = trees
		return keyOf(t, `<layer_declaration><remote name="r" baseurl="git://h/"/><baselayer remote="r" repo="poky" revision="main"/></layer_declaration>
			<buildstage id="s"><action>FROM debian:12</action><reposync/></buildstage>`, in)
	}
	tree := GitTree{Path: "/p", URL: "git://h/poky", Commit: "1"}
	first := key(tree)
	for name, other := range map[string]string{
		"path":   key(GitTree{Path: "/q", URL: "git://h/poky", Commit: "1"}),
		"URL":    key(GitTree{Path: "/p", URL: "git://h/other", Commit: "1"}),
		"commit": key(GitTree{Path: "/p", URL: "git://h/poky", Commit: "2"}),
		"layer":  key(tree, GitTree{Path: "/p/l", URL: "git://h/l", Commit: "1"}),
	} {
		if other == first {
			t.Errorf("another %s does not change the key", name)
		}
	}
	same := tree
	same.Revision, same.Ref, same.Mirror, same.From = "main", "refs/heads/main", "/mirror", git.Pinned{URL: "/mirror"}
	if key(same) != first {
		t.Error("the way to the commit changes the key")
	}
}
