// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/carosio/carosbuild/pkg/evict"
	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/fsck"
	"github.com/carosio/carosbuild/pkg/sealed"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// Pins remember what changing names were resolved to: the digest of an image
// reference, the packages of a suite. Without them a build that has nothing to do
// would need the network, and everything would be built again whenever a mirror
// changes.
type Pins struct{ Dir string }

// pin is the content of one file of Pins.
type pin struct {
	Image  string             `json:"image,omitempty"`
	Debian *debian.Resolution `json:"debian,omitempty"`
	Git    *git.Pinned        `json:"git,omitempty"`
	// Environment are the variables of an image; it may be empty.
	Environment []string `json:"environment,omitzero"`
}

func (p Pins) path(key string) string { return filepath.Join(p.Dir, key+".json") }

func (p Pins) read(key string) (pin, bool) {
	var v pin
	if ok, err := sealed.ReadSince(p.path(key), &v); err != nil || !ok { // resolved again
		return pin{}, false
	}
	return v, true
}

// write is atomic; the last writer wins.
func (p Pins) write(key string, v pin) error {
	b, err := sealed.Seal(v)
	if err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	p.sweep(time.Now())
	if err := freshfile.Replace(p.path(key), b, 0o600); err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	return nil
}

// Fsck checks the pins and the other values that are stored beside them in the same
// way.
func (p Pins) Fsck(ctx context.Context, c *fsck.Check) error {
	return sealed.Fsck(ctx, c, "pin", p.Dir, "removed; the name is resolved again")
}

// unfinished is the age of a file that nobody is writing any more: writing a pin
// takes far less.
const unfinished = time.Minute

// Units are what may be removed: files of pins whose writer was killed. The pins
// themselves are kept.
func (p Pins) Units(now time.Time) []evict.Unit {
	var out []evict.Unit
	for _, n := range p.abandoned(now) {
		if u, err := evict.Measure(n); err == nil { // else it has been removed meanwhile
			out = append(out, u)
		}
	}
	return out
}

// abandoned are the files that Units are made from.
func (p Pins) abandoned(now time.Time) []string {
	var out []string
	names, _ := filepath.Glob(filepath.Join(p.Dir, ".new-*")) // the pattern is valid
	for _, n := range names {
		if st, err := os.Lstat(n); err == nil && now.Sub(st.ModTime()) > unfinished {
			out = append(out, n)
		}
	}
	return out
}

// sweep removes them. Errors are ignored, since nothing depends on it.
func (p Pins) sweep(now time.Time) {
	for _, n := range p.abandoned(now) {
		_ = os.Remove(n)
	}
}
