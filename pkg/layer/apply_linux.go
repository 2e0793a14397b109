// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/layer/archive"
	"github.com/carosio/carosbuild/pkg/oci"
)

// Apply makes a layer from an uncompressed tar stream. The stream is untrusted: it
// cannot reach outside the layer, and a member that does not fit into a layer (a name
// with "..", a hard link to nothing, an owner outside the namespace) is an error that
// names it. Device nodes are not made, see Devices. Extended attributes of overlay and
// of ownership tables are not set. The stream is kept exactly: WriteTar writes it again.
//
// Want is the stream's expected digest; the zero digest accepts any.
func (s *Store) Apply(ctx context.Context, parent string, tar io.Reader, want oci.Digest) (Layer, error) {
	if want != (oci.Digest{}) {
		if id := ChainID(parent, want); s.whole(id) {
			l, _ := s.Layer(id)
			return l, nil
		}
	}
	l, err := s.apply(ctx, parent, tar, want)
	if err != nil {
		return Layer{}, fmt.Errorf("apply layer onto %s: %w", short(parent), err)
	}
	return l, nil
}

func (s *Store) apply(ctx context.Context, parent string, tar io.Reader, want oci.Digest) (Layer, error) {
	low, err := s.lowers(parent)
	if err != nil {
		return Layer{}, err
	}
	ids := archive.AllIDs()
	if s.table == nil {
		if ids, err = archive.ReadIDMaps(); err != nil {
			return Layer{}, err
		}
	}
	dir, err := s.wip.mkdir()
	if err != nil {
		return Layer{}, err
	}
	defer s.background(func() { s.fail(removeAll(dir)) })
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		return Layer{}, err
	}
	record, err := s.wip.scratchFile()
	if err != nil {
		return Layer{}, err
	}
	res, record, err := archive.Apply(ctx, tar, record, archive.ApplyOptions{
		Root: root, Aside: filepath.Join(dir, "aside"),
		Scratch: s.wip.scratchFile, Lowers: low, Format: s.format, IDs: ids, Limits: s.limit,
	})
	if err == nil && want != (oci.Digest{}) && res.DiffID != want {
		err = fmt.Errorf("its digest is %s, not %s", res.DiffID, want)
	}
	if err != nil {
		return Layer{}, errors.Join(err, record.Close())
	}
	return s.stage(parent, res, record, root)
}
