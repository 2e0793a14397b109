// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/progress"
)

func TestPackagesProgress(t *testing.T) {
	var got []string
	w := &packageWatch{stage: "s", event: func(e progress.Event) {
		got = append(got, fmt.Sprintf("%s %s %d/%d", e.Kind, e.Text, e.Done, e.Total))
	}}
	for line := range strings.SplitSeq(`Setting up too-early (1) ...
1 upgraded, 1 newly installed, 0 to remove and 3 not upgraded.
Unpacking a (1) ...
Unpacking b (1) over (0) ...
Setting up a (1) ...
Get:1 http://mirror bookworm InRelease [151 kB]
0 upgraded, 2 newly installed, 0 to remove and 3 not upgraded.
Need to get 1,500 kB of archives.
Get:1 http://mirror bookworm/main amd64 c amd64 1 [999 kB]
Get:2 http://mirror bookworm/main amd64 d amd64 1 [501 kB]
Fetched 1,500 kB in 1s (1,500 kB/s)
Unpacking c (1) ...
Unpacking d (1) ...
Unpacking e-of-a-script (1) ...`, "\n") {
		w.line(line)
	}
	w.end()
	want := `progress unpack packages 1/2
progress unpack packages 2/2
progress configure packages 1/2
progress-end configure packages 1/2
progress download packages 999000/1500000
progress download packages 1499999/1500000
progress download packages 1500000/1500000
progress unpack packages 1/2
progress unpack packages 2/2`
	if g := strings.Join(got, "\n"); g != want {
		t.Errorf("got\n%s\nwant\n%s", g, want)
	}
}
