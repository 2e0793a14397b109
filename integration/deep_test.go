// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// deepXML has a step that makes 10,000 levels of directories with a file in the last, and a
// stage on top. A shell cannot enter so many: each tree of 1,666 levels is moved to the end
// of the next.
const deepXML = `<redo>
	<buildstage id="base">
		<action>FROM scratch</action>
		<action>ADD busybox /bin/busybox</action>
		<action>RUN ["/bin/busybox", "--install", "-s", "/bin"]</action>
		<action>RUN set -e; p=d; i=1; while [ $i -lt 1666 ]; do p=$p/d; i=$((i+1)); done; mkdir -p /n/$p; echo x >/n/$p/f
			for k in 1 2 3 4 5; do mkdir -p /m/$p; mv /n /m/$p/d; mv /m /n; done</action>
	</buildstage>
	<buildstage id="more">
		<prestage>base</prestage>
		<action>RUN echo y >/y</action>
	</buildstage>
</redo>
`

// TestReachDeepTree commits a tree of 10,000 levels with 64 descriptors, builds on it, and
// removes it, in each sandbox with files that works here.
func TestReachDeepTree(t *testing.T) {
	if os.Getenv("CAROSBUILD_REACH") == "" {
		t.Skip("make reach runs it")
	}
	kinds := [][]string{{"userns", "overlay"}, {"userns", "copy"}, {"single-id", "copy"}}
	if os.Getuid() == 0 {
		kinds = append(kinds, []string{"chroot", "copy"})
	}
	prlimit := tool(t, "prlimit")
	for _, kind := range kinds {
		t.Run(strings.Join(kind, ", "), func(t *testing.T) {
			w := newWorld(t)
			w.work = nodeFolder(t, w.dir)
			w.file(t, "deep.xml", deepXML)
			few := func(args ...string) result {
				t.Helper()
				return w.ok(t, prlimit, append([]string{"--nofile=64", program(t), "--sandbox", kind[0], "--snapshots", kind[1]}, args...)...)
			}
			r := few("deep.xml", "-B", "deep", "--progress=plain")
			if !strings.Contains(r.stderr, "5 steps run") && !strings.Contains(r.stdout, "5 steps run") {
				t.Errorf("%s", tailOf(r.stderr))
			}
			r = few("prune", "--all")
			if out := r.stdout + r.stderr; !strings.Contains(out, "left: 0 B") {
				t.Error(fmt.Sprintf("after prune: %s", tailOf(out)))
			}
		})
	}
}
