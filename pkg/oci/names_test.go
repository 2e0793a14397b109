// SPDX-License-Identifier: MPL-2.0

package oci

import "testing"

func TestPulledName(t *testing.T) {
	const digest = "@sha256:0123"
	for _, tt := range []struct{ ref, repository, want string }{
		{"debian", "index.docker.io/library/debian", "docker.io/library/debian:latest"},
		{"docker://r.example.org:5000/a/b:1", "r.example.org:5000/a/b", "r.example.org:5000/a/b:1"},
		{"r.example.org:5000/a/b", "r.example.org:5000/a/b", "r.example.org:5000/a/b:latest"},
		{"r.example.org/a:1" + digest, "r.example.org/a", "r.example.org/a:1"},
		{"r.example.org/a" + digest, "r.example.org/a", ""},
		{"oci:dir:tag", "oci:dir", ""},
		{"docker-archive:x.tar", "docker-archive:x.tar", ""},
	} {
		if got := NameOf(tt.ref, tt.repository+digest); got != tt.want {
			t.Errorf("%s is called %q, want %q", tt.ref, got, tt.want)
		}
	}
}
