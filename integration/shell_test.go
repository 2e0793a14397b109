// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stepWorld is a script that prints what surrounds a step, without the names of
// directories of the store.
const stepWorld = "env | sort; id; pwd; grep -v ' / overlay ' /proc/mounts | sort; cat /etc/resolv.conf; md5sum /etc/hosts; stat -c '%A %u %g' /cache; cut -d: -f1 /proc/net/dev; umask"

// TestShellIsTheStepsWorld: a shell in what a failed step left has the environment,
// user, directory, caches, mounts and network of that step.
func TestShellIsTheStepsWorld(t *testing.T) {
	for _, tt := range []struct{ name, network string }{{"network", "host"}, {"no network", "none"}} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="s"><prestage>base</prestage><cache path="/cache"/>
				<action>RUN mkdir -p /etc /home/u; echo 'u:x:7:8:u:/home/u:/bin/sh' >/etc/passwd; chown 7:8 /home/u</action>
				<action>ENV A="one two" B=$A.x</action><action>WORKDIR /home/u</action><action>USER u</action>
				<action>RUN [ -e /cache/kept ] || echo kept >/cache/kept; echo BEGIN; `+stepWorld+`; echo END; exit 7</action></buildstage></redo>`)
			w.setenv("SOURCE_DATE_EPOCH=1500000000")
			bad := w.carosbuild(t, "a.xml", "-B", "b1", "--progress=plain", "--network", tt.network)
			_, log, _ := strings.Cut(bad.stderr, "| BEGIN\n")
			log, _, ok := strings.Cut(log, "| END\n")
			if bad.status != 1 || !ok {
				t.Fatalf("exit status %d\n%s", bad.status, tailOf(bad.stderr))
			}
			var want strings.Builder
			for line := range strings.Lines(log) {
				_, text, _ := strings.Cut(line, "| ")
				want.WriteString(text)
			}
			w.setenv("SOURCE_DATE_EPOCH=1")
			got := w.ok(t, program(t), "shell", "b1:s-failure", "/bin/sh", "-c", stepWorld).stdout
			if diff := cmp.Diff(got, want.String()); diff != "" {
				t.Errorf("the world of the shell (-got +want):\n%s", diff)
			}
			for _, part := range []string{"A=one two", "B=.x", "SOURCE_DATE_EPOCH=1500000000", "DEBIAN_FRONTEND=noninteractive", "uid=7", "/home/u\n", " /cache "} {
				if !strings.Contains(got, part) {
					t.Errorf("no %q in\n%s", part, got)
				}
			}
			if got := w.ok(t, program(t), "shell", "b1:s-failure", "/bin/cat", "/cache/kept").stdout; got != "kept\n" {
				t.Errorf("the cache has %q", got)
			}
			if other := w.ok(t, program(t), "shell", "--network", map[string]string{"host": "none", "none": "host"}[tt.network], "b1:s-failure", "/bin/sh", "-c", stepWorld).stdout; other == got {
				t.Error("--network changes nothing")
			}
		})
	}
}
