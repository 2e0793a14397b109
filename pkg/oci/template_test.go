// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

func TestFill(t *testing.T) {
	values := map[string]string{"stage": "020-caros", "build": "b{date}", "date": "2026-11-30"}
	for in, want := range map[string]string{
		"r.example.org/a/b:c": "r.example.org/a/b:c", "oci:d:{stage}": "oci:d:020-caros", "{stage}{date}-{build}": "020-caros2026-11-30-b{date}", "": "",
	} {
		if got, err := Fill(in, values); got != want || err != nil {
			t.Errorf("%s: got %q, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"a{stag}": "{stag} is not known: there are {build}, {date}, {stage}", "a{stage": "a brace alone", "a}": "a brace alone", "{{stage}}": "not known", "a{\x1b[2J}": "{\uFFFD[2J}",
	} {
		if got, err := Fill(in, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestTagged(t *testing.T) {
	for ref, want := range map[string]bool{
		"r.example.org:5000/a": false, "r.example.org:5000/a:b": true, "docker://r/a:b": true, "oci:d": false, "oci:d:t": true, "": false,
	} {
		if Tagged(ref) != want {
			t.Errorf("%q: want %v", ref, want)
		}
	}
}

// A layout with one image has it for whoever asks for no platform, and with two it has
// none of them.
func TestFindOnly(t *testing.T) {
	l := ocitest.NewLayout(t)
	image := func(arch string) Descriptor {
		d := l.Image(ocitest.MakeTar(t, ocitest.Reg("f", arch)), func(_ *v1.Manifest, c *v1.ConfigFile) { c.Architecture = arch })
		d.Platform = &v1.Platform{OS: "linux", Architecture: arch}
		return d
	}
	arm := image("riscv64")
	l.Index(arm)
	p, err := ParseReference("oci:" + l.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FindFile(p, PlatformOf("amd64"), ""); err == nil {
		t.Error("it is found for another platform")
	}
	if src, err := FindOnly(p, ""); err != nil || !strings.HasSuffix(src.Ref, arm.Digest.String()) {
		t.Errorf("got %+v, %v", src, err)
	}
	l.Index(arm, image("s390x"))
	if src, err := FindOnly(p, ""); err == nil {
		t.Errorf("one of two: %+v", src)
	}
}
