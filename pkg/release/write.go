// SPDX-License-Identifier: MPL-2.0

package release

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/freshdir"
	"github.com/carosio/carosbuild/pkg/results"
)

// Source is an image that is yet to be taken.
type Source struct {
	File   string // name in the release
	Name   string // that the build gave it
	Format string
	SHA256 string // "" when it is not known
	Link   string // path to make a hard link of; "" to copy
	Open   func() (results.Content, error)
}

// Options are what Write needs besides data.
type Options struct {
	Log      Log                                  // of git layers
	Progress func(name string, done, total int64) // bytes of an image; may be nil
}

// Write makes the release in dir, which must not exist or be empty. Images of
// r are filled in, and its changes since former, if that is not nil.
func Write(ctx context.Context, dir string, r *Release, sources []Source, former *Release, o Options) error {
	slices.SortFunc(sources, func(a, b Source) int { return strings.Compare(a.File, b.File) })
	for i, s := range sources {
		if err := checkName(s.File); err != nil {
			return err
		}
		if i > 0 && sources[i-1].File == s.File {
			return fmt.Errorf("%s and %s would both be %s: let the name template tell them apart", sources[i-1].Name, s.Name, s.File)
		}
	}
	r.Schema = Schema
	slices.SortFunc(r.Layers, func(a, b Layer) int { return strings.Compare(a.Path, b.Path) })
	return freshdir.Make(dir, func(tmp string) error {
		r.Images = []Image{}
		for _, s := range sources {
			img, err := s.take(ctx, tmp, o.Progress)
			if err != nil {
				return fmt.Errorf("take %s: %w", s.Name, err)
			}
			r.Images = append(r.Images, img)
		}
		if former != nil {
			r.Changes = compare(ctx, r, former, o.Log)
		}
		for i := range r.Layers { // the log was asked for with user and password
			r.Layers[i].URL = publicURL(r.Layers[i].URL)
		}
		return r.writeTexts(ctx, tmp)
	})
}

// take brings an image into dir.
func (s Source) take(ctx context.Context, dir string, progress func(string, int64, int64)) (img Image, err error) {
	in, err := s.Open()
	if err != nil {
		return img, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	st, err := in.Stat()
	if err != nil {
		return img, err
	}
	to := filepath.Join(dir, s.File)
	sum := &counted{Hash: sha256.New(), name: s.Name, total: st.Size(), progress: progress}
	if s.Link != "" && linkSame(in, s.Link, to) {
		_, err = io.Copy(sum, readerOf(ctx, in))
	} else {
		err = copyTo(ctx, to, in, sum)
	}
	if err != nil {
		return img, err
	}
	img = Image{s.File, s.Name, s.Format, sum.done, hex.EncodeToString(sum.Sum(nil))}
	if s.SHA256 != "" && s.SHA256 != img.SHA256 {
		return img, fmt.Errorf("it has changed: its SHA-256 was %s and is %s", s.SHA256, img.SHA256)
	}
	return img, nil
}

// counted is a hash that tells how much it was given.
type counted struct {
	hash.Hash
	name        string
	done, total int64
	progress    func(name string, done, total int64)
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Hash.Write(p)
	c.done += int64(n)
	if c.progress != nil {
		c.progress(c.name, c.done, c.total)
	}
	return n, err
}

// linkSame makes a hard link, and reports whether it is of the open file. If
// none can be made, as on another file system, the file is copied.
func linkSame(in results.Content, from, to string) bool {
	if os.Link(from, to) != nil {
		return false
	}
	a, err := in.Stat()
	b, err2 := os.Lstat(to)
	if err == nil && err2 == nil && os.SameFile(a, b) {
		return true
	}
	_ = os.Remove(to) // the copy replaces it
	return false
}

// readerOf ends with ctx.
func readerOf(ctx context.Context, r io.Reader) io.Reader {
	return readFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func copyTo(ctx context.Context, to string, in results.Content, sum hash.Hash) (err error) {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return results.CopySparse(ctx, out, in, sum)
}

// writeTexts writes the other files, and the sums of all last.
func (r *Release) writeTexts(ctx context.Context, dir string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	var manifest bytes.Buffer
	if err := writeManifest(&manifest, r.Packages); err != nil {
		return err
	}
	texts := map[string][]byte{DataName: append(data, '\n'), ManifestName: manifest.Bytes()}
	if r.Changes != nil {
		texts[ChangesName] = []byte(r.markdown())
	}
	sums := map[string]string{}
	for _, img := range r.Images {
		sums[img.File] = img.SHA256
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		sums[name] = hex.EncodeToString(sum[:])
	}
	return errors.Join(ctx.Err(), os.WriteFile(filepath.Join(dir, SumsName), sumLines(sums), 0o644))
}

func sumLines(sums map[string]string) []byte {
	var b bytes.Buffer
	names := make([]string, 0, len(sums))
	for n := range sums {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		b.WriteString(results.SumLine(sums[n], n))
	}
	return b.Bytes()
}

// maxData is more than a release of 100,000 packages has, in bytes.
const maxData = 256 << 20

// Read reads the data of a release that Write made.
func Read(dir string) (*Release, error) {
	f, _, err := results.OpenFile(filepath.Join(dir, DataName))
	if err != nil {
		return nil, fmt.Errorf("read release: %w", err)
	}
	defer f.Close()
	r := &Release{}
	if err := json.NewDecoder(io.LimitReader(f, maxData)).Decode(r); err != nil {
		return nil, fmt.Errorf("read release %s: %w", f.Name(), err)
	}
	if r.Schema < 1 || r.Schema > Schema {
		return nil, fmt.Errorf("read release %s: schema %d, but this program reads schemas up to %d", f.Name(), r.Schema, Schema)
	}
	return r, nil
}
