// SPDX-License-Identifier: MPL-2.0

package history

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/plan"
)

func TestKnown(t *testing.T) {
	k := Known{
		Program: "1.0", Sources: []decl.Source{{Name: "a.xml", Data: []byte("abc")}}, Disks: []string{"d"},
		Decl: &decl.Declaration{
			Artifacts: []decl.Artifact{{Stage: "s", Path: "/a", Name: "n", Span: finding.Span{Line: 1}}},
			Feeds:     []decl.Feed{{Stage: "s", Path: "/f"}},
		},
		Trees: []plan.GitTree{{Path: "/src", Commit: "c", Span: finding.Span{Line: 2}}},
	}
	want := Report{
		Program: "1.0", Disk: "d",
		Declarations: []FileReport{{"a.xml", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}, // FIPS 180-2, appendix B.1
		Trees:        []plan.GitTree{{Path: "/src", Commit: "c"}},
		Artifacts:    []Artifact{{Stage: "s", Path: "/a", Name: "n"}},
		Feeds:        []Artifact{{Stage: "s", Path: "/f"}},
	}
	if diff := cmp.Diff(want, k.Report()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if k.Disks = append(k.Disks, "e"); k.Report().Disk != "" {
		t.Error("of two disks one is the disk of the report")
	}
	r := Report{BuildID: "b", Targets: []string{"s"}}
	r.Fill(want)
	want.BuildID, want.Targets = "b", []string{"s"}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("filled in: -want +got\n%s", diff)
	}
}
