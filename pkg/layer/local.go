// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// local finds the id of an image in the store's index, without opening the
// store: that would need the user namespace.
func (r Registry) local(n string) (string, error) {
	p := r.Store
	if p.GraphRoot == "" {
		var err error
		if p, err = PodmanPaths(r.env, r.UID); err != nil {
			return "", err
		}
	}
	images, err := p.Images()
	if err != nil {
		return "", err
	}
	for _, want := range localNames(n) {
		for _, i := range images {
			if i.ID == want || slices.Contains(i.Names, want) {
				return i.ID, nil
			}
		}
	}
	return "", fmt.Errorf("image %s: %w", n, ErrUnknown)
}

// Images lists all images of the store from its index. Neither a namespace nor
// an opened store is needed; a store that does not exist has none.
func (p Paths) Images() ([]Image, error) {
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

// ConfigWhole reports whether the configuration of an image is in the store as
// it was stored.
func (p Paths) ConfigWhole(id string) bool {
	name := "=" + base64.StdEncoding.EncodeToString([]byte("sha256:"+id)) // containers/storage's name for it
	b, err := os.ReadFile(filepath.Join(p.GraphRoot, "overlay-images", id, name))
	if err != nil {
		return false
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]) == id
}

// Named reports whether an image has a name, which is completed as podman does.
func (i Image) Named(n string) bool {
	return slices.ContainsFunc(localNames(n), func(full string) bool { return slices.Contains(i.Names, full) })
}

// localNames are what a name may be in a store: itself, of localhost, and of
// docker.io.
func localNames(n string) []string {
	out := []string{n}
	if full, err := localName(n); err == nil {
		out = append(out, full)
	}
	if t, err := parseTag(n); err == nil {
		out = append(out, storedName(t))
	}
	return out
}

func parseTag(n string) (name.Tag, error) { return name.NewTag(n) }
