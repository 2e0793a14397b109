// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/dirtest"
	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/bitbake"
)

func conf() *plan.Conf {
	return &plan.Conf{Layers: bitbake.Layers{Base: "poky", Trees: []bitbake.Layer{{Name: "meta-x"}}}, LocalConf: []string{"MACHINE = \"m\"\n"}}
}

// Bitbake's files are written for the user, whatever the era of the base layer.
func TestConfSteps(t *testing.T) {
	for era, files := range map[string][]string{
		"old":    {"REDO/source/poky/meta-yocto/x=1", "REDO/source/poky/meta/classes/image-mklibs.bbclass=1"},
		"middle": {"REDO/source/poky/meta-poky/x=1", "REDO/source/poky/meta/classes/image-mklibs.bbclass=1"},
		"modern": {"REDO/source/poky/meta-poky/x=1", "REDO/source/poky/meta/classes/x=1"},
	} {
		t.Run(era, func(t *testing.T) {
			b := newBench(t)
			s := b.base(files...)
			s.Config.Config.User = "web"
			got := must(t)(b.execute(s, b.step("CREATE_BBLAYERS", &plan.BBLayers{Conf: conf()}), b.step("CREATE_LOCAL_CONF", &plan.LocalConf{Conf: conf()})))
			want := bitbake.Era{Poky: era != "old", Modern: era == "modern"}
			dir := filepath.Join(b.snaps.LayerDir(got.Layer), bitbake.ConfDir)
			for name, text := range map[string]string{"bblayers.conf": bitbake.BBLayers(conf().Layers, want), "local.conf": bitbake.LocalConf(want, conf().LocalConf)} {
				if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != text {
					t.Errorf("%s has\n%s\n%v, want\n%s", name, data, err, text)
				}
			}
			uid, gid := ids()
			if mine := fmt.Sprintf("local.conf %d:%d", uid, gid); !slices.Contains(b.snaps.Owners(), mine) {
				t.Errorf("owners %q, want %q among them", b.snaps.Owners(), mine)
			}
		})
	}
	b := newBench(t)
	_, err := b.execute(b.base("REDO=x"), b.step("CREATE_BBLAYERS", &plan.BBLayers{Conf: conf()}))
	if stepError(t, err); !strings.Contains(err.Error(), "REDO/build") {
		t.Error(err)
	}
	s := b.base()
	s.Config.Config.User = "nobody-here"
	if _, err = b.execute(s, b.step("CREATE_BBLAYERS", &plan.BBLayers{Conf: conf()})); !strings.Contains(fmt.Sprint(err), "nobody-here") {
		t.Error(err)
	}
}

// bitbake runs as its user, with its caches and the build id, and leaves its
// configuration.
func TestBitbakeStep(t *testing.T) {
	b := newBench(t)
	b.box.Program = func(_ context.Context, s sandbox.Command) (int, error) {
		fmt.Fprint(s.Stdout, "NOTE: Running task 1 of 2 (x)\nNOTE: Running task 2 of 2 (y)\n")
		return 0, fill(s.Root, "REDO/build/tmp/out=1")
	}
	bake := b.step("BITBAKE", &plan.Bitbake{Conf: conf(), Command: "fetch", Targets: []string{"a", "b"}, User: "web"})
	got := must(t)(b.job(b.base("REDO/source/poky/x=1"), plan.Job{ID: "s", GitLayers: true, Steps: []plan.Step{bake}}))
	root := b.snaps.LayerDir(got.Layer)
	files := dirtest.Listed(t, filepath.Join(root, "REDO/build"))
	if len(files) != 5 || files[0] != "conf/" || files[3] != "tmp/" || files[4] != "tmp/out=1" {
		t.Errorf("the build directory has %q", files)
	}
	s := b.box.Steps()[0]
	if diff := fmt.Sprintf("%q", s.Args); diff != fmt.Sprintf("%q", bitbake.Command("poky", "fetch", []string{"a", "b"})) {
		t.Errorf("command %s", diff)
	}
	uid, _ := ids()
	var targets []string
	for _, m := range s.Mounts {
		targets = append(targets, fmt.Sprint(m.Target, " ", m.ReadOnly))
	}
	if want := []string{"/REDO/download false", "/REDO/build/sstate-cache false", "/REDO/source/BUILDID true"}; !slices.Equal(targets, want) || s.UID != uint32(uid) {
		t.Errorf("user %d, mounts %q, want %q", s.UID, targets, want)
	}
	b.events.want(t, "step-started BITBAKE text", "step-output NOTE: Running task 1 of 2 (x)", "progress bitbake 0/2", "step-output NOTE: Running task 2 of 2 (y)",
		"progress bitbake 1/2", "progress-end bitbake", "step-done BITBAKE text")
}

// The logs of failed tasks are beside the step's log, and bitbake does not refuse to run
// as the superuser.
func TestBitbakeStepFails(t *testing.T) {
	b := newBench(t)
	b.box.Program = func(_ context.Context, s sandbox.Command) (int, error) {
		if _, err := os.Stat(filepath.Join(s.Root, bitbake.ConfDir, "sanity.conf")); err != nil {
			t.Error(err)
		}
		log := bitbake.BuildDir + "/r/1.0/temp/log.do_x.1"
		fmt.Fprintf(s.Stdout, "ERROR: Logfile of failure stored in: %s\n", log)
		return 1, fill(s.Root, strings.TrimPrefix(log, "/")+"=it failed")
	}
	_, err := b.execute(b.base(), b.step("BITBAKE", &plan.Bitbake{Conf: conf(), Targets: []string{"a"}}))
	se := stepError(t, err)
	if se.Status != 1 || se.Logs != strings.TrimSuffix(b.LogPath("s"), ".log")+"-logs" {
		t.Fatalf("error %#v", se)
	}
	if got := dirtest.Listed(t, se.Logs); !slices.Equal(got, []string{"r-1.0-log.do_x.1=it failed"}) {
		t.Errorf("logs %q", got)
	}
	_, err = b.execute(b.base(), b.step("BITBAKE", &plan.Bitbake{Conf: conf(), User: "nobody-here"}))
	if stepError(t, err); !strings.Contains(err.Error(), "nobody-here") {
		t.Error(err)
	}
}
