// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// What a job reads of its machine is known: another machine does not have it.
func TestLocal(t *testing.T) {
	j := &Job{ID: "s", Steps: []Step{
		{Kind: "FROM", Action: &From{Image: "oci:/srv/base"}},
		{Kind: "FROM", Action: &From{Image: "docker.io/library/debian:12"}},
		{Kind: BootstrapKind, Action: &Bootstrap{Wanted: debian.Bootstrap{Keyring: "/k.gpg", Mirror: "file:///srv/mirror", SecurityMirror: "https://m/"}}},
		{Kind: "ADD", Action: &Copy{Sources: []Source{{Name: "a", Path: "/w/a"}, {Name: "none"}}}},
		{Kind: "COPY", Action: &Copy{Stage: "other", Sources: []Source{{Name: "/b"}}}},
		{Kind: "RUN", Action: &Run{Args: []string{"/bin/true"}}},
		{Kind: "REPOSYNC", Action: &Reposync{From: []git.Pinned{{URL: "/srv/git/poky"}, {URL: "https://h/x"}}}},
	}}
	want := []Input{
		{"/srv/base", "the image that stage s starts from"},
		{"/k.gpg", "the keyring of stage s"},
		{"/srv/mirror", "the mirror of stage s"},
		{"/w/a", "a source of ADD in stage s"},
		{"/srv/git/poky", "a git repository of the declaration"},
	}
	if diff := cmp.Diff(j.Local(), want); diff != "" {
		t.Errorf("inputs (-got +want):\n%s", diff)
	}
}
