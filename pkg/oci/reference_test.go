// SPDX-License-Identifier: MPL-2.0

package oci

import "testing"

func TestReference(t *testing.T) {
	for in, want := range map[string]Reference{
		"scratch":                        {Kind: KindScratch},
		"oci:dir":                        {Kind: KindLayout, Path: "dir"},
		"oci:/a/b:tag":                   {Kind: KindLayout, Path: "/a/b", Name: "tag"},
		"oci:d@sha256:0":                 {Kind: KindLayout, Path: "d", Digest: "sha256:0"},
		"docker-archive:f.tar:a/b:1":     {Kind: KindArchive, Path: "f.tar", Name: "a/b:1"},
		"containers-storage:localhost/x": {Kind: KindStore, Name: "localhost/x"},
		"containers-storage:@abc":        {Kind: KindStore, Name: "abc"},
		"localhost/carosbuild/x:base":    {Kind: KindStore, Name: "localhost/carosbuild/x:base"},
		"localhost:5000/x":               {Name: "localhost:5000/x"},
		"docker://debian:bookworm":       {Name: "debian:bookworm"},
		"reg.example/a/b@sha256:0123":    {Name: "reg.example/a/b@sha256:0123"},
	} {
		got, err := ParseReference(in)
		if err != nil || got != want {
			t.Errorf("%s: %+v %v", in, got, err)
		}
	}
	for _, in := range []string{"", "oci:", "a b", "-x", "docker://", "docker-archive::x"} {
		if r, err := ParseReference(in); err == nil {
			t.Errorf("%q is %+v", in, r)
		}
	}
}

func FuzzReference(f *testing.F) {
	f.Add("oci:dir:tag@sha256:00")
	f.Add("localhost/x:1")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReference(s)
		if err == nil && r.Kind != KindScratch && r.Path == "" && r.Name == "" {
			t.Errorf("%q refers to nothing", s)
		}
		_ = StoreNames(s)
	})
}
