// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/layer/archive"
	"github.com/carosio/carosbuild/pkg/sealed"
)

// Device is a device node of an image. A user namespace cannot make one, so it is only in
// a layer's tar stream, not in a directory of the store.
type Device struct {
	Path         string // below the root, without a leading slash
	Block        bool   // a block device rather than a character device
	Mode         uint32 // permission bits
	UID, GID     int
	Major, Minor int64
	ModTime      time.Time
}

// Devices returns the device nodes of a chain of layers, sorted by path. They are read
// from the tar records of the layers once for each chain, and noted.
func (s *Store) Devices(id string) ([]Device, error) {
	chain, err := s.Chain(id)
	if err != nil {
		return nil, fmt.Errorf("devices of %s: %w", short(id), err)
	}
	t, known, err := s.knownDevices(chain)
	if err != nil {
		return nil, fmt.Errorf("devices of %s: %w", short(id), err)
	}
	for _, l := range chain[known:] {
		err := t.apply(func(f func(*tar.Header) error) error { return s.Headers(l.ID, f) })
		if err != nil {
			return nil, fmt.Errorf("devices of layer %s: %w", short(l.ID), err)
		}
	}
	devices := slices.SortedFunc(maps.Values(t), func(a, b Device) int { return strings.Compare(a.Path, b.Path) })
	if known < len(chain) {
		if err := sealed.Write(s.devicesFile(id), devices); err != nil {
			return nil, fmt.Errorf("note devices of %s: %w", short(id), err)
		}
	}
	return devices, nil
}

// knownDevices returns the noted devices of the longest part of the chain that has a note,
// and how many layers that part has.
func (s *Store) knownDevices(chain []Layer) (deviceTable, int, error) {
	for n := len(chain); n > 0; n-- {
		var devices []Device
		ok, err := sealed.Read(s.devicesFile(chain[n-1].ID), &devices)
		if err != nil {
			return nil, 0, err
		}
		if !ok {
			continue
		}
		t := deviceTable{}
		for _, d := range devices {
			t[d.Path] = d
		}
		return t, n, nil
	}
	return deviceTable{}, 0, nil
}

// devicesFile is the file with the devices of a chain. The id depends on the content of
// all layers, so the note is never out of date.
func (s *Store) devicesFile(id string) string {
	return filepath.Join(s.graph, "carosbuild", "devices", id)
}

// deviceTable is the device nodes of a chain by path.
type deviceTable map[string]Device

// apply applies one layer, whose headers each iterates over, to the table. There may be
// very many headers, so it reads them twice instead of keeping them: first whiteouts,
// which concern lower layers only; then the rest, unless it cannot concern a device.
func (t deviceTable) apply(each func(func(*tar.Header) error) error) error {
	own := false
	err := each(func(h *tar.Header) error {
		rel, err := archive.MemberPath(h.Name)
		if err != nil {
			return err
		}
		own = own || isDevice(h)
		t.whiteout(rel)
		return nil
	})
	if err != nil || len(t) == 0 && !own {
		return err
	}
	return each(t.member)
}

func isDevice(h *tar.Header) bool { return h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock }

// whiteout removes what a whiteout at that path hides.
func (t deviceTable) whiteout(rel string) {
	dir, base := archive.ParentOf(rel), path.Base(rel)
	if base == archive.WhiteoutOpaque {
		t.remove(dir, false)
	} else if name, ok := strings.CutPrefix(base, archive.WhiteoutPrefix); ok {
		t.remove(path.Join(dir, name), true)
	}
}

// member applies a member that is not a whiteout.
func (t deviceTable) member(h *tar.Header) error {
	rel, err := archive.MemberPath(h.Name)
	if err != nil || rel == "" || strings.HasPrefix(path.Base(rel), archive.WhiteoutPrefix) || h.Typeflag == tar.TypeXGlobalHeader {
		return err
	}
	for dir := archive.ParentOf(rel); dir != "" && len(t) > 0; dir = archive.ParentOf(dir) {
		delete(t, dir) // now a directory
	}
	switch h.Typeflag {
	case tar.TypeDir:
		delete(t, rel)
	case tar.TypeChar, tar.TypeBlock:
		t.remove(rel, true)
		t[rel] = Device{
			Path: rel, Block: h.Typeflag == tar.TypeBlock, Mode: uint32(h.Mode & 0o7777),
			UID: h.Uid, GID: h.Gid, Major: h.Devmajor, Minor: h.Devminor, ModTime: h.ModTime,
		}
	case tar.TypeLink:
		target, err := archive.MemberPath(h.Linkname)
		if err != nil {
			return err
		}
		d, ok := t[target]
		t.remove(rel, true)
		if ok {
			d.Path = rel
			t[rel] = d
		}
	default:
		t.remove(rel, true)
	}
	return nil
}

// remove removes everything below rel and, with self, rel itself.
func (t deviceTable) remove(rel string, self bool) {
	if self {
		delete(t, rel)
	}
	for p := range t {
		if rel == "" || strings.HasPrefix(p, rel+"/") {
			delete(t, p)
		}
	}
}

// Headers calls f for each member of the layer's tar stream, without reading
// the contents of files.
func (s *Store) Headers(id string, f func(*tar.Header) error) error {
	split, err := os.Open(s.splitFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return &DamageError{id, "", "its tar record is missing"}
	}
	if err != nil {
		return err
	}
	defer split.Close()
	err = archive.Headers(split, f)
	if errors.Is(err, archive.ErrRecord) {
		return &DamageError{id, "", err.Error()}
	}
	return err
}
