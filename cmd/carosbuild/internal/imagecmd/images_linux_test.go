// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/history"
)

func TestImagesOfNewestBuilds(t *testing.T) {
	var out strings.Builder
	a := &cli.App{Stdout: &out, Getenv: func(string) string { return "" }}
	now := time.Now()
	var rows []imageRow
	for _, r := range []struct{ id, stage, declaration string }{
		{"c2", "web", "c.xml"}, {"d2", "base", "d.xml"}, {"d2", "caros", "d.xml"}, {"c1", "web", "c.xml"}, {"theirs", "x", ""}, {"d1", "caros", "d.xml"}, {"mine", "x", ""},
	} {
		row := imageRow{BuildID: r.id, Stage: r.stage, Image: "0123456789abcdef", Started: now, Status: history.Done, pulled: r.declaration == ""}
		if r.declaration != "" {
			row.Declaration = []string{r.declaration}
		}
		row.Target = targetOf(history.BuildInfo{DiskStages: []string{"caros"}, Disks: []string{"vmware"}, Targets: []string{"web", "caros"}}, r.stage)
		rows = append(rows, row)
	}
	if err := printImages(a, rows, imagesOptions{}, now); err != nil {
		t.Fatal(err)
	}
	want := `BUILD ID  STAGE  DECLARATION  TARGET       IMAGE         AGE       SIZE  STATUS
c2        web    c.xml        stage        0123456789ab  just now  0 B   done
d2        base   d.xml        -            0123456789ab  just now  0 B   done
d2        caros  d.xml        disk vmware  0123456789ab  just now  0 B   done
theirs    x      -            -            0123456789ab  just now  0 B   done
mine      x      -            -            0123456789ab  just now  0 B   done
and 2 older builds: carosbuild images --all
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	out.Reset()
	if err := printImages(a, rows, imagesOptions{all: true}, now); err != nil || strings.Count(out.String(), "\n") != 8 || strings.Contains(out.String(), "older") {
		t.Errorf("images --all: %v\n%s", err, out.String())
	}
}
