// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// A vendored archive is a part of a mirror, in a directory whose name tells which address
// the result's sources.list has: that is the same on all hosts. Release files and indices
// are as the mirror has signed them, so whoever reads them checks them as those of a mirror.

var unsafeName = lazyregexp.New(`[^A-Za-z0-9.-]+`)

// vendoredName is the name of the directory of an archive.
func vendoredName(public string) string {
	_, rest, _ := strings.Cut(public, "://")
	name := strings.Trim(unsafeName().ReplaceAllString(rest, "_"), "_.")
	sum := sha256.Sum256([]byte(public))
	return name[:min(len(name), 60)] + "-" + hex.EncodeToString(sum[:4])
}

func vendoredURL(dir, public string) string {
	u := url.URL{Scheme: "file", Path: filepath.Join(dir, vendoredName(public))}
	return u.String()
}

// Export writes what a build of b that comes to r needs into a directory: its packages, and
// the release files and indices as the mirrors have them now, verified as in Resolve. A
// release file that is there already stays, with the indices that came with it.
func (f *Fetcher) Export(ctx context.Context, b Bootstrap, h Host, now time.Time, r *Resolution, dir string) error {
	if err := f.Fetch(ctx, r); err != nil {
		return err
	}
	archives, err := b.archives(h)
	if err != nil {
		return err
	}
	at := map[string]string{}
	for _, a := range archives {
		at[a.URL] = filepath.Join(dir, vendoredName(a.Public))
	}
	for _, p := range r.Packages {
		to, ok := at[p.URL]
		if !ok || !field.IsPoolPath(p.Filename) {
			return fmt.Errorf("package %s is of %s, which is none of the mirrors of the bootstrap", p.Name, redact(p.URL))
		}
		if err := copyVerified(f.debPath(p.Sum), filepath.Join(to, filepath.FromSlash(p.Filename)), p.hash()); err != nil {
			return fmt.Errorf("package %s: %w", p.Name, err)
		}
	}
	q := asked{b: b, h: h, now: now}
	if q.from, q.keys, err = b.keyring(h); err != nil {
		return err
	}
	for _, a := range archives {
		if err := f.exportArchive(ctx, q, a, at[a.URL]); err != nil {
			return f.hostError(err)
		}
	}
	return nil
}

// exportArchive writes a suite's release files and indices below a directory.
func (f *Fetcher) exportArchive(ctx context.Context, q asked, a archive, dir string) error {
	dists := filepath.Join(dir, "dists", filepath.FromSlash(a.Suite))
	own := a
	own.URL = (&url.URL{Scheme: "file", Path: dir}).String()
	rel, err := f.readRelease(ctx, q, own)
	if isMissing(err) {
		if rel, err = f.exportRelease(ctx, q, a, dists); a.Updates && isMissing(err) {
			return nil
		}
	}
	if err != nil {
		return q.explain(a, err, isMissing(err))
	}
	for _, arch := range append([]string{q.b.arch()}, q.b.foreign()...) {
		for _, c := range q.b.components() {
			if err := f.exportIndex(ctx, a, rel, c, arch, dists); err != nil {
				return fmt.Errorf("index of %s: %w", a.Suite, err)
			}
		}
	}
	return nil
}

// exportRelease writes the files that say what a suite has.
func (f *Fetcher) exportRelease(ctx context.Context, q asked, a archive, dists string) (release, error) {
	rel, err := f.readRelease(ctx, q, a)
	if err != nil {
		return rel, err
	}
	found := 0
	for _, name := range []string{"InRelease", "Release", "Release.gpg"} {
		message, err := f.revalidate(ctx, a.URL+"/dists/"+a.Suite+"/"+name)
		if isMissing(err) {
			continue
		}
		if err == nil {
			err = writeFile(filepath.Join(dists, name), message)
		}
		if err != nil {
			return rel, fmt.Errorf("read the release file: %w", err)
		}
		if found++; name == "InRelease" {
			break
		}
	}
	if found == 0 {
		return rel, fmt.Errorf("%s has no release file of %s any more", redact(a.URL), a.Suite)
	}
	return rel, nil
}

func there(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// exportIndex writes the list of a component's packages, compressed as it is.
func (f *Fetcher) exportIndex(ctx context.Context, a archive, rel release, component, arch, dists string) error {
	file, packed, _, err := rel.index(component, arch)
	if err != nil {
		return err
	}
	base := a.URL + "/dists/" + a.Suite + "/"
	hashed := path.Join(path.Dir(file), "by-hash", field.SumName(packed.Sum), packed.Sum)
	if there(filepath.Join(dists, filepath.FromSlash(file))) || there(filepath.Join(dists, filepath.FromSlash(hashed))) {
		return nil
	}
	archived := f.indexPath(packed.Sum) + ".packed"
	none := func(int64) {}
	if rel.ByHash {
		err = f.download(ctx, base+hashed, archived, packed, none)
	}
	if !rel.ByHash || isMissing(err) {
		err = f.download(ctx, base+file, archived, packed, none)
	}
	if err != nil {
		return err
	}
	names := []string{file}
	if rel.ByHash {
		names = append(names, hashed)
	}
	for _, name := range names {
		if err := copyVerified(archived, filepath.Join(dists, filepath.FromSlash(name)), packed); err != nil {
			return err
		}
	}
	return os.Remove(archived)
}

// copyVerified copies a file of the cache that has to be what want says.
func copyVerified(from, to string, want field.File) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	sum := field.NewHash(want.Sum)
	n, err := io.Copy(io.MultiWriter(out, sum), in)
	if err = errors.Join(err, out.Close()); err == nil && (n != want.Size || field.HexSum(sum) != want.Sum) {
		err = fmt.Errorf("%s: damaged in the cache", from)
	}
	return err
}

func writeFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// Lacking are the packages of r that can be had neither from the cache nor from a directory
// of this machine.
func (f *Fetcher) Lacking(r *Resolution) ([]Package, error) {
	var lacking []Package
	for _, p := range r.Packages {
		if !field.IsSum(p.Sum) || !field.IsPoolPath(p.Filename) {
			return nil, fmt.Errorf("the resolution is damaged: hash %q, file %q", p.Sum, p.Filename)
		}
		if _, err := os.Stat(f.debPath(p.Sum)); err == nil {
			continue
		}
		if u, err := url.Parse(p.address()); err == nil && u.Scheme == "file" {
			if _, err := os.Stat(filepath.FromSlash(u.Path)); err == nil {
				continue
			}
		}
		lacking = append(lacking, p)
	}
	return lacking, nil
}
