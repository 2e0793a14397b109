// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/debfile"
)

// Resolve reads and verifies what the mirrors offer, and works out which
// packages b comes to. now is the time that signatures and dates are held
// against. Mistakes in b come as one error of all of them.
func (f *Fetcher) Resolve(ctx context.Context, b Bootstrap, h Host, now time.Time) (*Resolution, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	archives, err := b.archives(h)
	if err != nil {
		return nil, err
	}
	keys, err := b.keyring(h)
	if err != nil {
		return nil, err
	}
	texts := make([][]string, len(archives))
	releases := make([]release, len(archives))
	group, groupCtx := errgroup.WithContext(ctx)
	for i, a := range archives {
		group.Go(func() (err error) {
			releases[i], texts[i], err = f.readArchive(groupCtx, b, h, a, keys, now)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	u := newUniverse(b.arch(), archives)
	for i, list := range texts {
		for _, text := range list {
			if err := u.add(i, text); err != nil {
				return nil, fmt.Errorf("index of %s: %w", archives[i].Suite, err)
			}
		}
	}
	r := &Resolution{
		Suite: b.Suite, Arch: b.arch(), Variant: b.variant(),
		MergedUsr: !slices.Contains([]string{"wheezy", "jessie", "stretch"}, releases[0].Codename),
		Sources:   b.sourcesList(archives, func(a archive) string { return a.Public }),
	}
	for i, a := range archives {
		r.Releases = append(r.Releases, Release{a.Suite, a.URL, releases[i].Date, releases[i].ValidUntil})
	}
	if r.Packages, err = choosePackages(u, b); err != nil {
		return nil, fmt.Errorf("bootstrap %s: %w", b.Suite, err)
	}
	return r, nil
}

func (b Bootstrap) keyring(h Host) (openpgp.EntityList, error) {
	paths := h.Keyrings
	if b.Keyring != "" {
		paths = []string{b.Keyring}
	}
	if len(paths) == 0 {
		return nil, errors.New("no archive keyring on this host: install the package debian-archive-keyring, or set attribute keyring")
	}
	return readKeyring(paths)
}

// readArchive reads a suite's InRelease and Packages files. The mirror may be
// renewed in between, so what does not fit together is read once more.
func (f *Fetcher) readArchive(ctx context.Context, b Bootstrap, h Host, a archive, keys openpgp.EntityList, now time.Time) (release, []string, error) {
	for n := 0; ; n++ {
		rel, err := f.readRelease(ctx, b, h, a, keys, now)
		if err != nil {
			return rel, nil, a.explain(err)
		}
		var texts []string
		for _, c := range b.components() {
			var text string
			if text, err = f.readIndex(ctx, a, rel, c, b.arch()); err != nil {
				break
			}
			texts = append(texts, text)
		}
		if err == nil {
			return rel, texts, nil
		}
		if n == 1 || ctx.Err() != nil {
			return rel, nil, a.explain(fmt.Errorf("%w; does the mirror hold parts of two states?", err))
		}
	}
}

// explain adds to a failure which attribute could help.
func (a archive) explain(err error) error {
	if a.Security {
		return fmt.Errorf("security updates: %w (attribute security-mirror names another mirror; %q does without)", err, NoMirror)
	}
	return err
}

func (f *Fetcher) readRelease(ctx context.Context, b Bootstrap, h Host, a archive, keys openpgp.EntityList, now time.Time) (release, error) {
	address := a.URL + "/dists/" + a.Suite + "/InRelease"
	message, err := f.revalidate(ctx, address)
	if err != nil {
		return release{}, fmt.Errorf("read the release file of %s: %w", a.Suite, err)
	}
	text, err := verifyClearsigned(message, keys, now)
	if err != nil {
		return release{}, fmt.Errorf("verify %s: %w", redact(address), err)
	}
	rel, err := parseRelease(text)
	if err != nil {
		return release{}, fmt.Errorf("%s: %w", redact(address), err)
	}
	checkUntil := !h.IgnoreValidUntil && b.Snapshot == ""
	checkDate := !h.IgnoreDate && b.Snapshot == ""
	if err := rel.check(a.Suite, b.arch(), b.components(), checkUntil, checkDate, now); err != nil {
		return release{}, fmt.Errorf("%s: %w", redact(address), err)
	}
	f.event(Event{Phase: "resolve", Item: a.Suite})
	return rel, nil
}

const maxRelease = 32 << 20 // bytes of an InRelease file

// revalidate reads a small file that may change, sparing the transfer if the
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

// readTagged splits a cached release file: the server's tag in the first line,
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

// readIndex returns the text of a component's Packages file, from the cache if
// its hash is there.
func (f *Fetcher) readIndex(ctx context.Context, a archive, rel release, component, arch string) (string, error) {
	file, packed, plain, err := rel.index(component, arch)
	if err != nil {
		return "", fmt.Errorf("release file of %s %w", a.Suite, err)
	}
	name := f.indexPath(plain.SHA256)
	data, err := readVerified(name, plain)
	if err == nil {
		return string(data), nil
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	dir := a.URL + "/dists/" + a.Suite + "/"
	address := dir + file
	if rel.ByHash {
		address = dir + filepath.Dir(file) + "/by-hash/SHA256/" + packed.SHA256
	}
	var done int64
	count := func(n int64) { done += n; f.event(Event{"resolve", a.Suite + " " + file, done, packed.Size}) }
	archived := name + ".packed"
	err = f.download(ctx, address, archived, packed, count)
	if s, ok := errors.AsType[*statusError](err); ok && s.code == http.StatusNotFound && rel.ByHash {
		err = f.download(ctx, dir+file, archived, packed, count) // some mirrors lack by-hash
	}
	if err != nil {
		return "", fmt.Errorf("index of %s: %w", a.Suite, err)
	}
	if err := unpackIndex(ctx, archived, file, name, plain); err != nil {
		return "", fmt.Errorf("index of %s, %s: %w", a.Suite, file, err)
	}
	data, err = readVerified(name, plain)
	return string(data), err
}

// unpackIndex writes the verified content of a compressed index.
func unpackIndex(ctx context.Context, archived, file, name string, plain fileHash) error {
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
		return errors.Join(err, errors.New("content is not what the release file says"))
	}
	return os.Remove(archived)
}
