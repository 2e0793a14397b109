// SPDX-License-Identifier: MPL-2.0

package history

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/layer"
)

// Pulled are notes of the names, other than those of builds, under which images were
// pulled: one small file for each, beside the store's images. What is not noted was
// named by somebody else, and is not removed.
type Pulled struct{ Dir string }

// PulledName is a name under which an image was pulled.
type PulledName struct {
	Name  string `json:"name"`
	Image string `json:"image"`           // its id
	Build string `json:"build,omitempty"` // id of the build that it was pulled as, too
	Owner string `json:"owner"`

	Used time.Time `json:"-"` // when it was pulled last
}

// PulledDir is where a store's Pulled is.
func PulledDir(graphRoot string) string { return filepath.Join(graphRoot, "carosbuild", "pulled") }

func (p Pulled) path(name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(p.Dir, hex.EncodeToString(sum[:])+".json")
}

// Note notes that an image was pulled now, unless the name is one that somebody else has
// given: named are the images of the store before the pull.
func (p Pulled) Note(n PulledName, named []layer.Image) error {
	_, noted := p.read(p.path(n.Name))
	if !noted && slices.ContainsFunc(named, func(i layer.Image) bool { return slices.Contains(i.Names, n.Name) }) {
		return nil
	}
	data, err := json.Marshal(n)
	if err == nil {
		err = os.MkdirAll(p.Dir, 0o700)
	}
	if err == nil {
		err = freshfile.Replace(p.path(n.Name), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("note pull of %s: %w", n.Name, err)
	}
	return nil
}

func (p Pulled) read(file string) (PulledName, bool) {
	var n PulledName
	st, err := os.Stat(file)
	if err != nil {
		return n, false
	}
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, &n) != nil || p.path(n.Name) != file {
		return PulledName{}, false
	}
	n.Used = st.ModTime()
	return n, true
}

// Names are those under which images are stored that were pulled, of one owner or, with
// "", of all. A name that was given to another image since is not among them.
func (p Pulled) Names(images []layer.Image, owner string) ([]PulledName, error) {
	files, err := os.ReadDir(p.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list pulled images: %w", err)
	}
	var out []PulledName
	for _, f := range files {
		n, ok := p.read(filepath.Join(p.Dir, f.Name()))
		if !ok || owner != "" && n.Owner != owner {
			continue
		}
		if slices.ContainsFunc(images, func(i layer.Image) bool { return i.ID == n.Image && slices.Contains(i.Names, n.Name) }) {
			out = append(out, n)
		}
	}
	return out, nil
}

// Forget removes the note of a name.
func (p Pulled) Forget(name string) error {
	if err := os.Remove(p.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget pull of %s: %w", name, err)
	}
	return nil
}
