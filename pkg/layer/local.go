// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

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
	b, err := os.ReadFile(filepath.Join(p.GraphRoot, "overlay-images", "images.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("image %s: %w", n, ErrUnknown)
	}
	if err != nil {
		return "", fmt.Errorf("read the store's index: %w", err)
	}
	var images []struct {
		ID    string   `json:"id"`
		Names []string `json:"names"`
	}
	if err := json.Unmarshal(b, &images); err != nil {
		return "", fmt.Errorf("read the store's index: %w", err)
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
