// SPDX-License-Identifier: MPL-2.0

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl"
)

// TestQuoteArgs has a shell read the arguments.
func TestQuoteArgs(t *testing.T) {
	args := []string{"plain.xml", "my disk.img", "it's", "$(touch x)", "", "a;b", "*", "~", "#x", "ä"}
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", `printf '%s\n' `+quoteArgs(args)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), strings.Join(args, "\n")+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestProposedCommands: the commands that messages propose can be pasted.
func TestProposedCommands(t *testing.T) {
	bakes := &decl.Declaration{Stages: []*decl.Stage{{ID: "s", Actions: []decl.Action{&decl.Bitbake{}}}}}
	boot := &bootCommand{app: &app{}, declFiles: []string{"my decl.xml"}, path: "my disk.img"}
	_, noDisk := boot.declaredDisk(bakes)
	d := &diskCommand{app: &app{}, declFiles: []string{"my decl.xml"}, diskFlags: diskFlags{out: []string{"my disk.img"}}}
	for what, c := range map[string]struct{ got, want string }{
		"a build with an overlay": {(&planOptions{declFiles: d.declFiles}).overBuild("yocto-efi.xml"), "carosbuild 'my decl.xml' yocto-efi.xml --out ..."},
		"a stage that is missing": {d.lacks("d", "s", "b", nil).Error(), "carosbuild FILE... 'my decl.xml' --out 'my disk.img' builds it"},
		"boot with an overlay":    {noDisk.Error(), "carosbuild boot 'my disk.img' --declaration OVERLAY"},
		"boot of a declaration":   {boot.run(t.Context(), "my disk.xml").Error(), "carosbuild boot DISK --declaration 'my disk.xml'"},
		"several projects":        {checkNames([]string{"a b.yml", "c.yml"}).Error(), "write 'a b.yml:c.yml'"},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%s: got %s, want %s", what, c.got, c.want)
		}
	}
}
