// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// For an archive with several images, the message names them and says how to choose
// one.
func TestArchiveOfSeveral(t *testing.T) {
	amd64 := v1.Platform{OS: "linux", Architecture: "amd64"}
	a := &ocitest.Archive{T: t}
	a.Image(amd64, "first", "app:1", "reg.example/app:one")
	a.Image(amd64, "second", "db:latest")
	a.Image(amd64, "third")
	file := a.Write("images.tar")
	for name, want := range map[string]string{
		"":                     "3 images: app:1, db:latest, one without a name; say which one: docker-archive:" + file + ":NAME",
		":app:1":               "",
		":reg.example/app:one": "",
		":db":                  "",
		":db:latest":           "",
		":app:2":               "no image app:2; it has app:1, db:latest, one without a name",
	} {
		ref, err := resolve("docker-archive:" + file + name)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
		if want != "" {
			continue
		}
		if again, err := resolve(ref); err != nil || again != ref {
			t.Errorf("%q: %s is %s by its digest: %v", name, ref, again, err)
		}
	}
}
