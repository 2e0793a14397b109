// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"archive/tar"
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// Labels that a namespace cannot set come from the topmost member of each name, and go
// with it.
func TestLabelsOfLayers(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	label := func(m member, attrs ...string) member {
		return with(m, func(h *tar.Header) {
			h.PAXRecords, h.Format = map[string]string{}, tar.FormatPAX
			for _, a := range attrs {
				h.PAXRecords[archive.PAXXattr+a] = h.Name
			}
		})
	}
	const selinux = "security.selinux"
	layers := [][]member{
		{
			label(dir("./"), selinux), label(dir("d/"), selinux), label(reg("d/f", "x"), selinux, "security.ima", "trusted.note", "user.note", "trusted.overlay.opaque"),
			label(sym("l", "d"), selinux), hard("again", "d/f"), label(reg("gone", ""), selinux), label(reg("o/below", ""), selinux),
			label(reg("changed", ""), selinux), label(reg("now", ""), selinux), label(dir("was"), selinux), label(reg("was/f", ""), selinux),
		},
		{reg(".wh.gone", ""), reg("o/.wh..wh..opq", ""), reg("changed", "y"), reg("now/a", ""), reg("was", "a file")},
		{dir("d/")},
	}
	parent := ""
	for _, l := range layers {
		got, err := s.Apply(t.Context(), parent, bytes.NewReader(makeTar(t, l...)), v1.Hash{})
		if err != nil {
			t.Fatal(err)
		}
		parent = got.ID
	}
	file := map[string][]byte{selinux: []byte("d/f"), "security.ima": []byte("d/f"), "trusted.note": []byte("d/f")}
	want := []Label{
		{"", true, map[string][]byte{selinux: []byte("./")}},
		{"again", false, file},
		{"d/f", false, file},
		{"l", false, map[string][]byte{selinux: []byte("l")}},
	}
	for _, what := range []string{"worked out", "noted"} {
		got, err := s.Labels(parent)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, d)
		}
	}
}
