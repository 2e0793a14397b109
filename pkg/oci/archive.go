// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/therootcompany/xz"

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// openArchive opens an archive of docker save, compressed or not. The image is
// chosen by name, by the digest of its config, or as the one for a platform. A
// compressed archive is unpacked into scratch.
func openArchive(file, n, config string, p v1.Platform, scratch string) (v1.Image, error) {
	open, err := archiveOpener(file, scratch)
	if err != nil {
		return nil, fmt.Errorf("read docker archive %s: %w", file, err)
	}
	m, err := tarball.LoadManifest(open)
	if err != nil {
		return nil, fmt.Errorf("read docker archive %s: %w (an OCI archive is unpacked first, and named oci:DIR)", file, err)
	}
	var all []Candidate
	for i, d := range m {
		if n != "" && !slices.ContainsFunc(d.RepoTags, func(t string) bool { return sameTag(t, n) }) {
			continue
		}
		img, err := archiveImage(open, d)
		if err != nil {
			return nil, fmt.Errorf("read docker archive %s: image %d, %s: %w", file, i+1, archiveLabel(d), err)
		}
		h, err := img.ConfigName()
		if err != nil {
			return nil, fmt.Errorf("read docker archive %s: %w", file, err)
		}
		if config != "" && h.String() != config {
			continue
		}
		all = append(all, Candidate{
			Digest: h, Config: img.ConfigFile, of: i, label: archiveLabel(d),
			Open: func() (v1.Image, error) { return img, nil },
		})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("docker archive %s has %s%s", file, strings.TrimSpace("no image "+n+config), listed("; it has ", archiveLabels(m)))
	}
	c, err := Choose(all, p)
	var many *ambiguousError
	if errors.As(err, &many) {
		return nil, fmt.Errorf("docker archive %s has %w; say which one: docker-archive:%s:NAME", file, err, file)
	}
	if err != nil {
		return nil, fmt.Errorf("docker archive %s has %w", file, err)
	}
	return c.Open()
}

// sameTag reports whether a tag in an archive is the requested one.
func sameTag(t, n string) bool {
	tag, err := parseTag(t)
	if err != nil {
		return false
	}
	full := storedName(tag)
	return slices.Contains([]string{t, full, strings.TrimPrefix(full, "localhost/"), tag.Context().RepositoryStr(), strings.TrimSuffix(t, ":latest")}, n)
}

func archiveLabel(d tarball.Descriptor) string {
	if len(d.RepoTags) == 0 {
		return "one without a name"
	}
	return terminal.Excerpt(d.RepoTags[0])
}

func archiveLabels(m tarball.Manifest) []string {
	var names []string
	for _, d := range m {
		names = append(names, archiveLabel(d))
	}
	return names
}

// archiveImage opens one image of an archive that may contain several: the library
// is given a manifest that lists only this image.
func archiveImage(open tarball.Opener, d tarball.Descriptor) (v1.Image, error) {
	doc, err := json.Marshal(tarball.Manifest{d})
	if err != nil {
		return nil, err
	}
	var head bytes.Buffer
	w := tar.NewWriter(&head)
	err = w.WriteHeader(archiveHeader("manifest.json", int64(len(doc))))
	if err == nil {
		_, err = w.Write(doc)
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return nil, err
	}
	return tarball.Image(func() (io.ReadCloser, error) {
		rc, err := open()
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(head.Bytes()), rc), rc}, nil
	}, nil)
}

// archiveOpener opens an archive repeatedly. If its first bytes say that it is
// compressed, it is unpacked once, into a file without a name.
func archiveOpener(file, scratch string) (tarball.Opener, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := inflateArchive(f)
	if err != nil {
		return nil, err
	}
	if z == nil {
		return func() (io.ReadCloser, error) { return os.Open(file) }, nil
	}
	if scratch == "" {
		scratch = os.TempDir()
	} else if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, err
	}
	plain, err := freshfile.Scratch(scratch)
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(plain, z)
	if err = errors.Join(err, z.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("decompress: %w", err), plain.Close())
	}
	return func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(plain, 0, n)), nil }, nil
}

// inflateArchive decompresses an archive; nil means that it is not compressed.
func inflateArchive(f io.Reader) (io.ReadCloser, error) {
	limits := Limits{}.WithDefaults()
	in := &counted{r: f}
	buf := bufio.NewReaderSize(in, 128<<10)
	magic, err := buf.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	b := &bounded{in: in, limits: limits, close: func() error { return nil }}
	switch m := string(magic); {
	case strings.HasPrefix(m, "\x1f\x8b"), strings.HasPrefix(m, "\x28\xb5\x2f\xfd"):
		return Inflate(buf, limits)
	case m == "\xfd7zXZ\x00":
		b.r, err = xz.NewReader(buf, 0)
	case strings.HasPrefix(m, "BZh"):
		b.r = bzip2.NewReader(buf)
	default:
		return nil, nil
	}
	return b, err
}
