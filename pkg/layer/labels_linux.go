// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"archive/tar"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/layer/archive"
	"github.com/carosio/carosbuild/pkg/sealed"
)

// Label is those extended attributes of a file of an image that a user namespace cannot
// set: labels of security modules, trusted.*. They are only in a layer's tar stream, not
// on files of the store.
type Label struct {
	Path   string            // below the root, without a leading slash
	Dir    bool              // of a directory
	Xattrs map[string][]byte // by their full names
}

// Labels returns the labels of a chain of layers, sorted by path. They are read from the
// tar records of the layers once for each chain, and noted.
func (s *Store) Labels(id string) ([]Label, error) {
	chain, err := s.Chain(id)
	if err != nil {
		return nil, fmt.Errorf("labels of %s: %w", short(id), err)
	}
	t, known := newLabelTable(), len(chain)
	for ; known > 0; known-- {
		var noted []Label
		ok, err := sealed.Read(s.labelsFile(chain[known-1].ID), &noted)
		if err != nil {
			return nil, fmt.Errorf("labels of %s: %w", short(id), err)
		}
		if ok {
			for _, l := range noted {
				t.put(l)
			}
			break
		}
	}
	for _, l := range chain[known:] {
		err := t.apply(func(f func(*tar.Header) error) error { return s.Headers(l.ID, f) })
		if err != nil {
			return nil, fmt.Errorf("labels of layer %s: %w", short(l.ID), err)
		}
	}
	labels := slices.SortedFunc(maps.Values(t.labels), func(a, b Label) int { return strings.Compare(a.Path, b.Path) })
	if known < len(chain) {
		if err := sealed.Write(s.labelsFile(id), labels); err != nil {
			return nil, fmt.Errorf("note labels of %s: %w", short(id), err)
		}
	}
	return labels, nil
}

// labelsFile is the file with the labels of a chain. The id depends on the content of all
// layers, so the note is never out of date.
func (s *Store) labelsFile(id string) string {
	return filepath.Join(s.graph, "carosbuild", "labels", id)
}

// labelXattrs are the attributes of a member that are only in the tar stream.
func labelXattrs(h *tar.Header) map[string][]byte {
	var out map[string][]byte
	for k, v := range h.PAXRecords {
		name, ok := strings.CutPrefix(k, archive.PAXXattr)
		if !ok || archive.NamespaceXattr(name) || archive.PrivateXattr(name) {
			continue
		}
		if out == nil {
			out = map[string][]byte{}
		}
		out[name] = []byte(v)
	}
	return out
}

// labelTable is the labels of a chain.
type labelTable struct {
	labels map[string]Label // by path
	below  map[string]int   // number of labels below a directory, for frequent look-ups
}

func newLabelTable() *labelTable {
	return &labelTable{labels: map[string]Label{}, below: map[string]int{}}
}

func (t *labelTable) put(l Label) {
	if _, ok := t.labels[l.Path]; !ok {
		t.countAbove(l.Path, 1)
	}
	t.labels[l.Path] = l
}

func (t *labelTable) drop(rel string) {
	if _, ok := t.labels[rel]; ok {
		t.countAbove(rel, -1)
		delete(t.labels, rel)
	}
}

func (t *labelTable) countAbove(rel string, n int) {
	for rel != "" {
		rel = archive.ParentOf(rel)
		t.below[rel] += n
	}
}

// dropBelow removes the labels below a directory.
func (t *labelTable) dropBelow(rel string) {
	if t.below[rel] == 0 {
		return
	}
	for p := range t.labels {
		if p != "" && (rel == "" || strings.HasPrefix(p, rel+"/")) {
			t.drop(p)
		}
	}
}

// apply applies one layer to the table, first its whiteouts, which concern lower layers
// only; see deviceTable.apply.
func (t *labelTable) apply(each func(func(*tar.Header) error) error) error {
	own := false
	err := each(func(h *tar.Header) error {
		rel, err := archive.MemberPath(h.Name)
		if err != nil {
			return err
		}
		own = own || labelXattrs(h) != nil
		dir, base := archive.ParentOf(rel), path.Base(rel)
		if base == archive.WhiteoutOpaque {
			t.dropBelow(dir)
		} else if name, ok := strings.CutPrefix(base, archive.WhiteoutPrefix); ok {
			t.dropBelow(path.Join(dir, name))
			t.drop(path.Join(dir, name))
		}
		return nil
	})
	if err != nil || len(t.labels) == 0 && !own {
		return err
	}
	return each(t.member)
}

// member gives a name the labels of its member.
func (t *labelTable) member(h *tar.Header) error {
	rel, err := archive.MemberPath(h.Name)
	if err != nil || strings.HasPrefix(path.Base(rel), archive.WhiteoutPrefix) || h.Typeflag == tar.TypeXGlobalHeader {
		return err
	}
	for dir := archive.ParentOf(rel); dir != ""; dir = archive.ParentOf(dir) {
		if l, ok := t.labels[dir]; ok && !l.Dir {
			t.drop(dir) // now a directory
		}
	}
	l := Label{rel, h.Typeflag == tar.TypeDir, labelXattrs(h)}
	if h.Typeflag == tar.TypeLink {
		target, err := archive.MemberPath(h.Linkname)
		if err != nil {
			return err
		}
		l.Xattrs = t.labels[target].Xattrs
	}
	if !l.Dir {
		t.dropBelow(rel)
	}
	t.drop(rel)
	if l.Xattrs != nil {
		t.put(l)
	}
	return nil
}
