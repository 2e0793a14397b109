// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// The inputs that a job reads from its machine are known: those with a digest are
// in a bundle, and another machine does not have the rest.
func TestInputs(t *testing.T) {
	apt := &Apt{Host: &debian.Host{Mirror: "file:///srv/host", SecurityMirror: "http://h/"}}
	j := &Job{ID: "s", Apt: apt, Steps: []Step{
		{Kind: "FROM", Action: &From{Image: "oci:/srv/base"}},
		{Kind: "FROM", Action: &From{Image: "docker.io/library/debian:12"}},
		{Kind: BootstrapKind, Action: &Bootstrap{Keyring: "dk", Wanted: debian.Bootstrap{Keyring: "/k.gpg", Mirror: "file:///srv/mirror", SecurityMirror: "https://m/"}}},
		{Kind: "ADD", Action: &Copy{Sources: []Source{{Name: "a", Path: "/w/a", Digest: "da"}, {Name: "none"}}}},
		{Kind: "COPY", Action: &Copy{Stage: "other", Sources: []Source{{Name: "/b"}}}},
		{Kind: "RUN", Action: &Run{Args: []string{"/bin/true"}}},
		{Kind: "REPOSYNC", Action: &Reposync{From: []git.Pinned{{URL: "/srv/git/poky"}, {URL: "https://h/x"}}}},
	}}
	want := []Input{{"/k.gpg", "dk", "the keyring of stage s"}, {"/w/a", "da", "a source of ADD in stage s"}}
	if diff := cmp.Diff(j.Inputs(), want); diff != "" {
		t.Errorf("in a bundle (-got +want):\n%s", diff)
	}
	want = []Input{
		{"/srv/base", "", "the image that stage s starts from"},
		{"/srv/mirror", "", "the mirror of stage s"},
		{"/srv/git/poky", "", "a git repository of the declaration"},
		{"/srv/host", "", "the mirror of stage s"},
	}
	if diff := cmp.Diff(j.Local(), want); diff != "" {
		t.Errorf("of this machine (-got +want):\n%s", diff)
	}
	there := j.Bundled("/bundle")
	want = []Input{{"/bundle/dk", "dk", "the keyring of stage s"}, {"/bundle/da", "da", "a source of ADD in stage s"}}
	if diff := cmp.Diff(there.Inputs(), want); diff != "" {
		t.Errorf("with a bundle (-got +want):\n%s", diff)
	}
	if src := there.Steps[3].Action.(*Copy).Sources[1]; src.Path != "" || j.Inputs()[0].Path != "/k.gpg" || j.Inputs()[1].Path != "/w/a" {
		t.Errorf("a source that does not exist is %q; the job itself reads %v", src.Path, j.Inputs())
	}
}
