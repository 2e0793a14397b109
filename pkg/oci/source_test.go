// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Layers that may not be distributed, and blobs that are not layers, are refused
// with the reason.
func TestLayerTypes(t *testing.T) {
	for mt, want := range map[types.MediaType]string{
		types.OCILayer: "", types.DockerLayer: "", types.OCILayerZStd: "",
		types.DockerForeignLayer:      "whose content a registry does not keep",
		types.OCIRestrictedLayer:      "whose content a registry does not keep",
		"application/vnd.oci.text":    "an artifact of another kind",
		types.DockerUncompressedLayer: "",
	} {
		err := checkLayerType(v1.Descriptor{MediaType: mt, URLs: []string{"https://elsewhere.example/x\x1b"}})
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\x1b")) {
			t.Errorf("%s: %v, want %q", mt, err, want)
		}
	}
}
