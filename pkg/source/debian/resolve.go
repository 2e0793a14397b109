// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/debfile"
	"github.com/carosio/carosbuild/pkg/source/debian/field"
	"github.com/carosio/carosbuild/pkg/source/debian/signed"
	"github.com/carosio/carosbuild/pkg/source/debian/solve"
)

// Resolve reads and verifies the archives of the mirrors, and determines the
// packages for b. Signatures and dates are checked against now. Mistakes in b are
// returned as Mistakes.
func (f *Fetcher) Resolve(ctx context.Context, b Bootstrap, h Host, now time.Time) (*Resolution, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	archives, err := b.archives(h)
	if err != nil {
		return nil, err
	}
	q := asked{b: b, h: h, now: now}
	if q.from, q.keys, err = b.keyring(h); err != nil {
		return nil, err
	}
	offers, err := f.readArchives(ctx, q, archives)
	if err != nil {
		return nil, f.hostError(err)
	}
	r := &Resolution{
		Suite: b.Suite, Arch: b.arch(), Variant: b.variant(), Foreign: b.foreign(),
		MergedUsr: !slices.Contains([]string{"wheezy", "jessie", "stretch"}, offers[0].release.Codename),
	}
	var used []archive
	var suites []string
	for i, o := range offers {
		if o.absent {
			r.Without = append(r.Without, archives[i].Suite)
			continue
		}
		used, suites = append(used, archives[i]), append(suites, archives[i].Suite)
		r.Releases = append(r.Releases, Release{archives[i].Suite, archives[i].URL, o.release.Date, o.release.ValidUntil})
	}
	u := solve.New(r.Arch, r.Foreign, suites)
	for i, o := range offers {
		for _, text := range o.texts {
			if err := u.Add(i, text); err != nil {
				return nil, fmt.Errorf("index of %s: %w", archives[i].Suite, err)
			}
		}
	}
	r.Sources = b.sourcesList(used, func(a archive) string { return a.Public })
	r.Packages, err = choosePackages(u, b, archives)
	return r, err
}

// readArchives reads all archives in parallel. If several fail, the first archive's
// error is returned, so that the same mistake always gives the same message.
func (f *Fetcher) readArchives(ctx context.Context, q asked, archives []archive) ([]offer, error) {
	offers := make([]offer, len(archives))
	failures := make([]error, len(archives))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group errgroup.Group
	for i, a := range archives {
		group.Go(func() error {
			if offers[i], failures[i] = f.readArchive(ctx, q, a); failures[i] != nil && i == 0 {
				cancel()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, err := range failures {
		if err != nil {
			return nil, err
		}
	}
	return offers, nil
}

// keyring returns the files of the archive's keys, and the keys.
func (b Bootstrap) keyring(h Host) ([]string, signed.Keys, error) {
	d, known := distributionOf(b.Suite)
	paths := *h.of(d).keyrings
	if !known {
		paths = slices.Concat(h.Keyrings, h.UbuntuKeyrings)
	}
	if b.Keyring != "" {
		paths = []string{b.Keyring}
	}
	if len(paths) == 0 {
		return nil, nil, &Mistake{
			Attr: "suite", Value: b.Suite,
			Text: fmt.Sprintf("%s: this host has no keyring of %s: there is no %s.gpg", b.Suite, d.title, d.keyring),
			Hint: fmt.Sprintf(`install the package %s, or write keyring="FILE"`, d.keyringPackage),
		}
	}
	keys, err := signed.ReadKeyring(paths)
	if err != nil && b.Keyring != "" {
		return nil, nil, &Mistake{Attr: "keyring", Value: b.Keyring, Text: fmt.Sprintf("keyring %q: %v", b.Keyring, plainCause(err)), Err: err}
	}
	return paths, keys, err
}

// plainCause is an error without the operation and file, which the message has
// already.
func plainCause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

const maxRelease = 32 << 20 // bytes of an InRelease file

// revalidate reads a small file that may change. It is not transferred if the
// cached copy is current.
func (f *Fetcher) revalidate(ctx context.Context, address string) ([]byte, error) {
	name := f.releasePath(address)
	cached, tag := readTagged(name)
	var message []byte
	err := f.retry(ctx, func() error {
		header := http.Header{}
		if cached != nil {
			header.Set("If-None-Match", tag)
		}
		answer, err := f.get(ctx, address, header, http.StatusOK, http.StatusNotModified)
		if err != nil {
			return err
		}
		defer answer.Close()
		if answer.status == http.StatusNotModified {
			if cached == nil {
				return fmt.Errorf("%s: 304 without being asked", redact(address))
			}
			message = cached
			return nil
		}
		tag = answer.header.Get("ETag")
		if message, err = io.ReadAll(io.LimitReader(answer, maxRelease+1)); err != nil {
			return fmt.Errorf("%s: %w", redact(address), err)
		}
		if len(message) > maxRelease {
			return errFinal{fmt.Errorf("%s: larger than %d bytes", redact(address), maxRelease)}
		}
		return nil
	})
	if err != nil || tag == "" || cached != nil {
		return message, err
	}
	return message, writeTagged(ctx, name, tag, message)
}

// readTagged splits a cached release file: the server's ETag in the first line,
// then the message. nil means that there is none.
func readTagged(name string) (message []byte, tag string) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, ""
	}
	tag, text, ok := strings.Cut(string(data), "\n")
	if !ok || tag == "" {
		return nil, ""
	}
	return []byte(text), tag
}

func writeTagged(ctx context.Context, name, tag string, message []byte) error {
	part, err := lockPart(ctx, name)
	if err != nil {
		return err
	}
	defer part.Close()
	if err := part.Truncate(0); err != nil {
		return err
	}
	if _, err := part.Write(append([]byte(strings.ReplaceAll(tag, "\n", "")+"\n"), message...)); err != nil {
		return err
	}
	return commitPart(part, name)
}

// readIndex returns the text of a component's Packages file, from the cache if its
// hash is there.
func (f *Fetcher) readIndex(ctx context.Context, a archive, rel release, component, arch string) (string, error) {
	file, packed, plain, err := rel.index(component, arch)
	if err != nil {
		return "", fmt.Errorf("release file of %s %w", a.Suite, err)
	}
	if plain.Sum == "" { // only the compressed form is listed
		plain = field.File{Size: maxIndex}
	}
	name := f.indexPath(plain.Sum)
	if plain.Sum != "" {
		data, err := readVerified(name, plain)
		if err == nil {
			return string(data), nil
		}
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	dir := a.URL + "/dists/" + a.Suite + "/"
	address := dir + file
	if rel.ByHash {
		address = dir + filepath.Dir(file) + "/by-hash/" + field.SumName(packed.Sum) + "/" + packed.Sum
	}
	var done int64
	count := func(n int64) { done += n; f.event(Event{"resolve", a.Suite + " " + file, done, packed.Size}) }
	archived := f.indexPath(packed.Sum) + ".packed"
	err = f.download(ctx, address, archived, packed, count)
	if isMissing(err) && rel.ByHash {
		err = f.download(ctx, dir+file, archived, packed, count) // some mirrors lack by-hash
	}
	if err != nil {
		return "", fmt.Errorf("index of %s: %w", a.Suite, err)
	}
	if plain.Sum == "" {
		text, err := unpackVerified(archived, file, packed)
		if err != nil {
			return "", fmt.Errorf("index of %s, %s: %w", a.Suite, file, err)
		}
		return text, nil
	}
	if err := unpackIndex(ctx, archived, file, name, plain); err != nil {
		return "", fmt.Errorf("index of %s, %s: %w", a.Suite, file, err)
	}
	data, err := readVerified(name, plain)
	return string(data), err
}

// maxIndex bounds an index whose size no release file says.
const maxIndex = 1 << 30

// unpackVerified reads a compressed index of which only the compressed form's hash
// is known. It stays compressed in the cache.
func unpackVerified(archived, file string, packed field.File) (string, error) {
	data, err := readVerified(archived, packed)
	if err != nil {
		return "", err
	}
	r, err := debfile.Decompress(file, bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxIndex+1))
	if err == nil && len(text) > maxIndex {
		err = fmt.Errorf("larger than %d bytes", maxIndex)
	}
	return string(text), err
}

// unpackIndex writes the verified content of a compressed index.
func unpackIndex(ctx context.Context, archived, file, name string, plain field.File) error {
	in, err := os.Open(archived)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := debfile.Decompress(file, in)
	if err != nil {
		return err
	}
	defer r.Close()
	part, err := lockPart(ctx, name)
	if err != nil {
		return err
	}
	defer part.Close()
	if err := part.Truncate(0); err != nil {
		return err
	}
	if _, err := io.Copy(part, io.LimitReader(r, plain.Size+1)); err != nil {
		return err
	}
	if err := commitPart(part, name); err != nil {
		return err
	}
	if ok, err := haveFile(name, plain); err != nil || !ok {
		return errors.Join(err, &transferError{file, "the content does not match the release file"})
	}
	return os.Remove(archived)
}
