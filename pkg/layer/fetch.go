// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

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
)

// fetch copies a compressed layer into a file without a name.
func (r Registry) fetch(ctx context.Context, f found, d v1.Descriptor, diffID v1.Hash, scratch func() (*os.File, error)) (*os.File, error) {
	ev := TransferEvent{Kind: "pull", Name: f.pinned, Digest: d.Digest.String(), Total: d.Size}
	progress := func(n int64) { ev.Done = n; r.event(ev) }
	file, err := scratch()
	if err != nil {
		return nil, err
	}
	if f.session == nil || d.Data != nil {
		err = copyLayer(ctx, file, f.image, d, diffID, progress)
	} else {
		dl := &download{file: file, desc: d, report: progress}
		err = f.session.explainLayer(ctx, dl.run(ctx, f.session), d)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("layer %s: %w", d.Digest, err), file.Close())
	}
	progress(d.Size)
	return file, nil
}

// copyLayer copies a layer out of a file.
func copyLayer(ctx context.Context, file *os.File, img v1.Image, d v1.Descriptor, diffID v1.Hash, progress func(int64)) error {
	l, err := img.LayerByDiffID(diffID)
	if err != nil {
		return err
	}
	rc, err := l.Compressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	_, err = io.Copy(file, &progressReader{ctx: ctx, r: newVerifier(rc, d.Digest, d.Size), report: progress})
	return err
}

// download is a layer on its way. What has arrived is kept when a connection
// ends, and the rest asked for.
type download struct {
	file   *os.File
	desc   v1.Descriptor
	report func(int64)

	sum hash.Hash // of the file
	n   int64     // its length
}

func (dl *download) run(ctx context.Context, s *session) error {
	const stalls = 2 // who sends nothing twice is given up
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
		most := max(s.r.backoff().Steps, 1)
		if errors.As(err, &slow) {
			most = stalls
		}
		if attempt >= most || slow == nil && !cutOff(err) || ctx.Err() != nil || isLocal(err) {
			return err
		}
		wait := s.r.pause(attempt)
		s.r.waiting(s.guard.host, reason(err), wait)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// isLocal reports whether an error is of a file of this machine.
func isLocal(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p)
}

// try asks for what is missing, once.
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
	in := &progressReader{ctx: ctx, r: io.LimitReader(rc, dl.desc.Size-dl.n+1), report: dl.report, n: dl.n, last: dl.n}
	n, err := io.Copy(io.MultiWriter(dl.file, dl.sum), in)
	dl.n += n
	switch got := hex.EncodeToString(dl.sum.Sum(nil)); {
	case err != nil:
		return err
	case dl.n > dl.desc.Size:
		return fmt.Errorf("it has more than its %d bytes: %w", dl.desc.Size, errDigest)
	case dl.n < dl.desc.Size:
		return fmt.Errorf("it ends after %d of %d bytes: %w", dl.n, dl.desc.Size, io.ErrUnexpectedEOF)
	case got != dl.desc.Digest.Hex:
		return fmt.Errorf("it has the digest sha256:%s: %w", got, errDigest)
	}
	return nil
}

// progressReader tells about each MiB and ends with its context.
type progressReader struct {
	ctx     context.Context
	r       io.Reader
	report  func(int64)
	n, last int64
}

func (p *progressReader) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.r.Read(b)
	p.n += int64(n)
	if p.n-p.last >= 1<<20 {
		p.last = p.n
		p.report(p.n)
	}
	return n, err
}
