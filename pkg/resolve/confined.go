// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/confine"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/source/files"
)

// refused turns an error about a path that may not be read into a finding, and
// leaves other errors as they are.
func refused(err error, at finding.Span, what string) error {
	if outside, ok := confine.Is(err); ok {
		return &finding.ListError{Findings: finding.Findings{outside.Finding(at, what)}}
	}
	return err
}

// find is files.Find, limited to what the declaration may read. Paths outside are
// not looked up.
func (r *Resolver) find(s *decl.Stage, source string) (string, error) {
	places := []string{source}
	if !filepath.IsAbs(source) {
		places = nil
		for _, dir := range files.Dirs(s) {
			places = append(places, filepath.Join(dir, source))
		}
	}
	for _, place := range places {
		if outside, ok := confine.Is(r.Within.Check(place)); ok {
			return "", outside
		}
	}
	return files.Find(s, source)
}

// checkImage refuses a layout or an archive on this machine that is outside the
// roots.
func (r *Resolver) checkImage(ref string, a *decl.From) error {
	file, ok := oci.LocalFile(ref)
	if !ok {
		return nil
	}
	err := r.Within.Check(file)
	if st, serr := os.Stat(file); err == nil && r.Within != nil && serr == nil && st.IsDir() {
		err = noLinks(file)
	}
	return refused(err, a.Span, fmt.Sprintf("image %q", a.Image))
}

// noLinks refuses a directory that contains links, which may lead out of it.
func noLinks(dir string) error {
	return files.Walk(dir, func(rel, _ string, st fs.FileInfo) error {
		if st.Mode()&fs.ModeSymlink != 0 {
			return &confine.OutsideError{Path: filepath.Join(dir, rel), Link: true}
		}
		return nil
	})
}

// checkMirrors refuses mirrors on this machine that are outside the roots.
func (r *Resolver) checkMirrors(b *decl.Bootstrap) error {
	for attr, mirror := range map[string]string{"mirror": b.Mirror, "security-mirror": b.SecurityMirror} {
		dir, ok := localPath(strings.ReplaceAll(mirror, "{snapshot}", b.Snapshot))
		if !ok {
			continue
		}
		if err := refused(r.Within.Check(dir), b.At(attr, mirror), fmt.Sprintf("%s %q", attr, mirror)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// CheckGit refuses the address of a git repository on this machine that is outside
// the roots, or that takes its objects from elsewhere.
func CheckGit(within *confine.Roots, address string) error {
	dir, ok := localPath(address)
	if within == nil || !ok {
		return nil
	}
	if !plainURL(address) {
		return &confine.OutsideError{Path: address}
	}
	for _, place := range []string{dir, dir + ".git"} { // git tries both
		for _, at := range []string{place, filepath.Join(place, ".git")} {
			switch err := within.Check(at); {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return err
			default:
				if err := selfContained(at, at == place); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// selfContained refuses a repository that leads git to files of another one. It does
// not check files of a work tree outside its repository.
func selfContained(dir string, mayBeTree bool) error {
	if mayBeTree && !slices.ContainsFunc([]string{"objects", "commondir", "HEAD"}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	}) {
		return nil
	}
	return files.Walk(dir, func(rel, _ string, st fs.FileInfo) error {
		switch name := path.Base(rel); {
		case rel == "." && !st.IsDir(), st.Mode()&fs.ModeSymlink != 0, name == "alternates" || name == "commondir":
			return &confine.OutsideError{Path: filepath.Join(dir, rel), Link: true}
		}
		return nil
	})
}

// plainURL reports whether an address is not a file URL, or is one with a single meaning:
// versions of git drop a host or treat it as a part of the path, and follow links before a
// "..".
func plainURL(address string) bool {
	rest, isURL := strings.CutPrefix(address, "file://")
	if !isURL {
		return true
	}
	decoded, err := url.PathUnescape(rest)
	return err == nil && strings.HasPrefix(decoded, "/") && !slices.Contains(strings.Split(decoded, "/"), "..")
}

// localPath is the directory that an address on this machine denotes.
func localPath(address string) (string, bool) {
	dir, isURL := strings.CutPrefix(address, "file://")
	if isURL {
		decoded, err := url.PathUnescape(dir)
		if err == nil {
			dir = decoded
		}
		if !strings.HasPrefix(dir, "/") { // git treats the host as a part of the path
			dir = "/" + dir
		}
	}
	return filepath.Clean(dir), filepath.IsAbs(dir)
}
