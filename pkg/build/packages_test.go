// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package build

import (
	"fmt"
	"strings"
	"testing"
)

func TestPackagesProgress(t *testing.T) {
	var got []string
	w := &packageWatch{stage: "s", event: func(e Event) {
		got = append(got, fmt.Sprintf("%s %s %d/%d", e.Kind, e.Text, e.Done, e.Total))
	}}
	for line := range strings.SplitSeq(`Setting up too-early (1) ...
1 upgraded, 1 newly installed, 0 to remove and 3 not upgraded.
Unpacking a (1) ...
Unpacking b (1) over (0) ...
Setting up a (1) ...
0 upgraded, 2 newly installed, 0 to remove and 3 not upgraded.
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
progress unpack packages 1/2
progress unpack packages 2/2`
	if g := strings.Join(got, "\n"); g != want {
		t.Errorf("got\n%s\nwant\n%s", g, want)
	}
}
