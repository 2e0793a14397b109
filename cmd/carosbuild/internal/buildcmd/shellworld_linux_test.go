// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/failure"
	"github.com/carosio/carosbuild/pkg/network"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// marked is what an image of a failed step leaves in a store.
func marked(t *testing.T, change func(r *failure.Record)) engine.State {
	t.Helper()
	r := failure.Record{Build: "b1", Stage: "s", Step: 2, Steps: 3, Kind: "RUN", Text: "make", File: "a.xml", Line: 3, Column: 4, Status: 7, Log: "one\ntwo\n"}
	change(&r)
	s := engine.State{Config: oci.NewConfig("")}
	if err := r.Mark(&s.Config); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWorldOf(t *testing.T) {
	for network, want := range map[string]struct {
		network string
		host    bool
	}{"host": {"", true}, "none": {"none", false}, "": {"", false}} {
		w, err := worldOf(marked(t, func(r *failure.Record) { r.Network = network }))
		if err != nil || w.Job.Network != want.network || w.host != want.host || !w.foreign || w.failed || w.BuildID != "b1" || w.Step != 0 {
			t.Errorf("%q: %+v, %v", network, w, err)
		}
	}
	w, err := worldOf(engine.State{Config: oci.NewConfig("")})
	if err != nil || w.record != nil || !w.foreign || len(w.Job.Caches) != 0 {
		t.Errorf("of an image that says nothing: %+v, %v", w, err)
	}
	bad := engine.State{Config: oci.NewConfig("")}
	bad.Config.Config.WorkingDir = "x"
	if _, err := worldOf(bad); err == nil {
		t.Error("a relative directory is let through")
	}
}

func TestTell(t *testing.T) {
	w, err := worldOf(marked(t, func(r *failure.Record) {
		r.Network, r.Caches, r.Log = "host", []plan.Cache{{Path: "/c"}}, "\x1b[2Jone\n::error::x\n"
	}))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	w.tell(&cli.App{Stderr: &out}, "")
	want := "a.xml:3:4: stage s of build b1, step 2/3 failed: exit status 7\n  RUN make\nlast output:\n  | \uFFFD[2Jone\n  | : :error::x\n" +
		"note: the step had the host's network; the shell gets it with --network host\nnote: the caches of the step are empty here\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
	out.Reset()
	w.tell(&cli.App{Stderr: &out}, "host")
	if strings.Contains(out.String(), "host's network") {
		t.Errorf("with --network host:\n%s", &out)
	}
}

// Nothing of this machine is left to a shell in an image of anybody.
func TestEstrange(t *testing.T) {
	state := t.TempDir()
	auto := &network.Auto{}
	l := &engine.Local{
		CacheDir: "/mine", CacheSuffix: "-mine", Network: auto, Relay: &debian.Relay{}, Proxies: map[string]string{"http_proxy": "http://x/"},
		Host: debian.Host{Mirror: "file:///srv/mine", SecurityMirror: "none", UbuntuMirror: "http://mirror.example.org/", HTTPProxy: "http://me:secret@x/"},
	}
	var notes []string
	j := &plan.Job{Apt: &plan.Apt{Bootstrap: debian.Bootstrap{Suite: "bookworm", Snapshot: "20250101T000000Z"}}} // of which this machine has no mirror
	release, err := estrange(l, j, cli.Dirs{State: state}, func(text string) { notes = append(notes, text) })
	if err != nil {
		t.Fatal(err)
	}
	h := l.Host
	if !strings.HasPrefix(l.CacheDir, state) || l.CacheSuffix != "" || l.Relay != nil || l.Proxies != nil || !auto.Never || h.Mirror != "" || h.SecurityMirror != "none" || h.UbuntuMirror == "" || h.HTTPProxy != "" {
		t.Errorf("left: %+v", l)
	}
	if j.Apt != nil || len(notes) != 2 || !strings.Contains(notes[1], "apt is not told of mirrors") {
		t.Errorf("noted %q", notes)
	}
	if err := os.WriteFile(filepath.Join(l.CacheDir, "x"), nil, 0o600); err != nil {
		t.Error(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(state); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestIsRemote(t *testing.T) {
	for name, want := range map[string]bool{
		"registry.example.org/a:b": true, "localhost:5000/a": true, "127.0.0.1:1/a@sha256:0": true, "docker://r.example.org/a": true,
		"b1:s": false, "latest": false, "localhost/a:b": false, "library/debian": false, "oci:x": false, "": false,
	} {
		if isRemote(name) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}
