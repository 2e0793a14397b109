// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/carosio/carosbuild/pkg/oci"
)

// ImageID finds the id of an image in the store's index, without opening the store, which
// would need the user namespace.
func (p Paths) ImageID(n string) (string, error) {
	images, err := p.Images()
	if err != nil {
		return "", err
	}
	for _, want := range oci.StoreNames(n) {
		for _, i := range images {
			if i.ID == want || slices.Contains(i.Names, want) {
				return i.ID, nil
			}
		}
	}
	return "", fmt.Errorf("image %s: %w", n, ErrUnknown)
}

// Images lists all images of the store from its index, which needs neither a namespace nor
// an opened store. A store that does not exist has no images.
func (p Paths) Images() ([]Image, error) {
	if p.GraphRoot == "" {
		return nil, errors.New("the directory of the store is not given")
	}
	b, _, err := readIndex(p.GraphRoot, filepath.Join(p.GraphRoot, "overlay-images", "images.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the store's index: %w", err)
	}
	var index []struct {
		ID      string    `json:"id"`
		Names   []string  `json:"names"`
		Layer   string    `json:"layer"`
		Created time.Time `json:"created"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, fmt.Errorf("read the store's index: %w", err)
	}
	images := make([]Image, len(index))
	for i, x := range index {
		images[i] = Image{ID: x.ID, Names: x.Names, Top: x.Layer, Created: x.Created}
	}
	return images, nil
}

// ImageConfig reads the configuration of an image in the store: a file named
// after its digest, which is the image's id.
func (p Paths) ImageConfig(id string) ([]byte, error) {
	name := "=" + base64.StdEncoding.EncodeToString([]byte("sha256:"+id)) // containers/storage's name for it
	b, err := os.ReadFile(filepath.Join(p.GraphRoot, "overlay-images", id, name))
	if err != nil {
		return nil, err
	}
	if h := oci.DigestOf(b); h.Hex != id {
		return nil, fmt.Errorf("its digest is %s: %w", h, oci.ErrDamaged)
	}
	return b, nil
}

// ConfigWhole reports whether the configuration of an image is in the store and undamaged.
func (p Paths) ConfigWhole(id string) bool {
	_, err := p.ImageConfig(id)
	return err == nil
}

// Named reports whether an image has a name, which is completed as podman completes it.
func (i Image) Named(n string) bool {
	return slices.ContainsFunc(oci.StoreNames(n), func(full string) bool { return slices.Contains(i.Names, full) })
}
