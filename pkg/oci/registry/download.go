// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/oci"
)

// download is a layer that is being fetched. If a connection ends, the data
// received so far is kept, and the rest is requested.
type download struct {
	file   *os.File
	desc   v1.Descriptor
	report func(int64)

	sum hash.Hash // hash of the file
	n   int64     // its length
}

// Download implements oci.Remote.
func (s *session) Download(ctx context.Context, file *os.File, d v1.Descriptor, report func(int64)) error {
	dl := &download{file: file, desc: d, report: report}
	return s.explainLayer(ctx, dl.run(ctx, s), d)
}

func (dl *download) run(ctx context.Context, s *session) error {
	const stalls = 2 // a server that sends nothing twice in a row is given up
	far := int64(0)
	for attempt := 1; ; attempt++ {
		err := dl.try(ctx, s)
		if err == nil {
			return nil
		}
		if dl.n >= far+progressBytes {
			attempt = 1
		}
		far = max(far, dl.n)
		var slow *slowError
		most := max(s.client.backoff().Steps, 1)
		if errors.As(err, &slow) {
			most = stalls
		}
		if attempt >= most || slow == nil && !cutOff(err) || ctx.Err() != nil || isLocal(err) {
			return err
		}
		wait := s.client.pause(attempt)
		s.rt.waiting(reason(err), wait)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// isLocal reports whether an error concerns a file of this machine.
func isLocal(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p)
}

// try requests the missing part, once.
func (dl *download) try(ctx context.Context, s *session) error {
	rc, from, err := s.blob(ctx, dl.desc.Digest, dl.n)
	if err != nil {
		return err
	}
	defer rc.Close()
	if from == 0 {
		dl.n, dl.sum = 0, sha256.New()
		if err := dl.file.Truncate(0); err != nil {
			return err
		}
	}
	if _, err := dl.file.Seek(dl.n, io.SeekStart); err != nil {
		return err
	}
	in := oci.ProgressReader(ctx, io.LimitReader(rc, dl.desc.Size-dl.n+1), dl.n, dl.report)
	n, err := io.Copy(io.MultiWriter(dl.file, dl.sum), in)
	dl.n += n
	switch got := hex.EncodeToString(dl.sum.Sum(nil)); {
	case err != nil:
		return err
	case dl.n > dl.desc.Size:
		return fmt.Errorf("it has more than its %d bytes: %w", dl.desc.Size, oci.ErrDigest)
	case dl.n < dl.desc.Size:
		return fmt.Errorf("it ends after %d of %d bytes: %w", dl.n, dl.desc.Size, io.ErrUnexpectedEOF)
	case got != dl.desc.Digest.Hex:
		return fmt.Errorf("it has the digest sha256:%s: %w", got, oci.ErrDigest)
	}
	return nil
}
