// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// A step on a bootstrap may read all of its apt configuration: that has the address of the
// build's own proxy, not the password of the host's proxy.
func TestAptOfStepsHasNoPassword(t *testing.T) {
	const secret = "s3cr3t"
	host, err := debian.ReadHost(t.TempDir(), func(name string) string {
		return map[string]string{"http_proxy": "http://u:" + secret + "@127.0.0.1:1", debian.EnvMirror: "https://v:" + secret + "@m.example/debian"}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []sandbox.Network{sandbox.HostNetwork, sandbox.NoNetwork} {
		relay, err := StartRelay(t.Context(), host, network, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		l := &Local{Scratch: t.TempDir(), Host: host, Relay: relay}
		r := &jobRun{Local: l, job: &plan.Job{ID: "s", Apt: &plan.Apt{Bootstrap: debian.Bootstrap{Suite: "sid"}}}}
		mounts, _, err := r.hostFiles(true)
		if err != nil {
			t.Fatal(err)
		}
		conf, err := os.ReadFile(filepath.Join(mounts[0].Source, "apt.conf"))
		if err != nil {
			t.Fatal(err)
		}
		list, err := os.ReadFile(filepath.Join(mounts[0].Source, "sources.list"))
		if err != nil {
			t.Fatal(err)
		}
		if text := string(conf) + string(list); strings.Contains(text, secret) {
			t.Errorf("network %s: the password is in\n%s", network, text)
		}
		if got := strings.Contains(string(conf), "http://carosbuild:"); got != (network == sandbox.HostNetwork) {
			t.Errorf("network %s: a proxy of the build's own: %v", network, got)
		}
		l.Reach = func(address string) string { return strings.Replace(address, "@127.0.0.1:", "@10.0.2.2:", 1) }
		if _, got := l.aptHost(r.job.Apt); strings.Contains(got, "@10.0.2.2:") != (network == sandbox.HostNetwork) || network == sandbox.NoNetwork && got != "" {
			t.Errorf("network %s: steps elsewhere reach it at %q", network, got)
		}
		if err := relay.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A host directory that is a mirror is mounted for steps under a name of the build's own,
// and they do not read a suite that it does not have.
func TestAptOfStepsReadsALocalMirror(t *testing.T) {
	r := &jobRun{Local: &Local{Scratch: t.TempDir()}, job: &plan.Job{ID: "s", Apt: &plan.Apt{
		Bootstrap: debian.Bootstrap{Suite: "bookworm", Mirror: "file:///srv/mirror/", SecurityMirror: "none"},
		Without:   []string{"bookworm-updates"},
	}}}
	mounts, _, err := r.hostFiles(true)
	if err != nil {
		t.Fatal(err)
	}
	if want := (sandbox.Mount{Source: "/srv/mirror", Target: "/run/carosbuild/mirror", ReadOnly: true}); len(mounts) != 2 || mounts[1] != want {
		t.Errorf("got %+v, want %+v", mounts, want)
	}
	list, err := os.ReadFile(filepath.Join(mounts[0].Source, "sources.list"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(list), "deb file:/run/carosbuild/mirror bookworm main\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Apt in a step reads from the mirror of the machine that made the plan. Passwords are
// used only if that machine also builds.
func TestAptHost(t *testing.T) {
	l := &Local{Host: debian.Host{Mirror: "http://here/debian", HTTPProxy: "http://u:secret@p:1", Keyrings: []string{"/k"}}}
	here, there := l.Host.Public(), debian.Host{Mirror: "http://there/debian", HTTPProxy: "http://q:1"}
	for name, tt := range map[string]struct{ said, want debian.Host }{"the same machine": {here, l.Host}, "another": {there, there}} {
		if got, relay := l.aptHost(&plan.Apt{Host: &tt.said}); !got.Equal(tt.want) || relay != "" {
			t.Errorf("%s: %+v, relay %q", name, got, relay)
		}
	}
	if got, _ := l.aptHost(&plan.Apt{}); !got.Equal(l.Host) {
		t.Errorf("nobody has said: %+v", got)
	}
	r := &jobRun{Local: &Local{Scratch: t.TempDir(), Host: l.Host}, job: &plan.Job{ID: "s", Apt: &plan.Apt{Bootstrap: debian.Bootstrap{Suite: "sid"}, Host: &there}}}
	mounts, _, err := r.hostFiles(true)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"apt.conf": `"http://q:1"`, "sources.list": "http://there/debian"} {
		if data, err := os.ReadFile(filepath.Join(mounts[0].Source, name)); err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s: %s, %v", name, data, err)
		}
	}
}
