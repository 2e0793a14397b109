// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// lockVersion is the version of the lock file's format.
const lockVersion = 1

// maxLock is the size in bytes of the largest lock file that is read.
const maxLock = 64 << 20

// Lock is the content of a lock file: what changing names were resolved to. It
// belongs to a declaration and means the same on every host.
type Lock struct {
	Version    int                  `json:"version"`
	Images     []LockedImage        `json:"images"`     // by name
	Bootstraps []debian.Locked      `json:"bootstraps"` // by suite, architecture and packages
	Git        map[string]LockedGit `json:"git"`        // "URL REVISION" -> its commit
}

// LockedImage is the image of a FROM.
type LockedImage struct {
	Name   string `json:"name"` // as declared
	Arch   string `json:"arch"`
	Digest string `json:"digest"` // REPOSITORY@sha256:... in a registry; sha256:... of an image on this machine
}

// LockedGit is a revision of a git repository.
type LockedGit struct {
	Commit string `json:"commit"`
	Ref    string `json:"ref,omitempty"` // full name of the branch or tag that the revision named
}

// LockPath is the path of a declaration's lock file.
func LockPath(declaration string) string { return declaration + ".lock" }

// ReadLock reads a lock file. If it does not exist, the error is fs.ErrNotExist.
func ReadLock(path string) (*Lock, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the lock file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLock+1))
	if err == nil && len(data) > maxLock {
		err = fmt.Errorf("more than %d bytes", maxLock)
	}
	if err != nil {
		return nil, fmt.Errorf("read the lock file %s: %w", path, err)
	}
	l, err := parseLock(data)
	if err != nil {
		return nil, fmt.Errorf("the lock file %s cannot be used: %w", path, err)
	}
	return l, nil
}

func parseLock(data []byte) (*Lock, error) {
	var head struct{ Version int }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	if head.Version != lockVersion {
		return nil, fmt.Errorf("its format has version %d, but this program reads version %d", head.Version, lockVersion)
	}
	l := &Lock{}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(l); err != nil {
		return nil, err
	}
	for _, i := range l.Images {
		if !lockedDigest().MatchString(i.Digest) {
			return nil, fmt.Errorf("%q of image %s is not a digest", i.Digest, i.Name)
		}
	}
	for name, g := range l.Git {
		if !lockedCommit().MatchString(g.Commit) {
			return nil, fmt.Errorf("%q of %s is not a commit", g.Commit, name)
		}
	}
	return l, nil
}

var (
	lockedDigest = lazyregexp.New(`^([a-zA-Z0-9][a-zA-Z0-9._:/\[\]-]*@)?sha256:[0-9a-f]{64}$`)
	lockedCommit = lazyregexp.New(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

// Write writes a lock file: one entry per line, in an order that does not depend on
// the declaration's, so that diffs are short.
func (l *Lock) Write(path string) error {
	l.sort()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l); err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	if err := freshfile.Replace(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	return nil
}

func (l *Lock) sort() {
	slices.SortFunc(l.Images, func(a, b LockedImage) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch)) })
	slices.SortFunc(l.Bootstraps, func(a, b debian.Locked) int { return cmp.Compare(lockName(a), lockName(b)) })
}

func lockName(l debian.Locked) string {
	return strings.Join(slices.Concat([]string{l.Suite, l.Arch, l.Variant, l.Snapshot, l.Mirror, l.SecurityMirror}, l.Components, []string{"\x00"}, l.Wanted), " ")
}

func (l *Lock) image(name, arch string) (string, bool) {
	if l == nil {
		return "", false
	}
	i := slices.IndexFunc(l.Images, func(i LockedImage) bool { return i.Name == name && i.Arch == arch })
	if i < 0 {
		return "", false
	}
	return l.Images[i].Digest, true
}

func (l *Lock) bootstrap(b debian.Bootstrap) (debian.Locked, bool) {
	if l == nil {
		return debian.Locked{}, false
	}
	i := slices.IndexFunc(l.Bootstraps, func(x debian.Locked) bool { return x.IsOf(b) })
	if i < 0 {
		return debian.Locked{}, false
	}
	return l.Bootstraps[i], true
}

// lockable reports whether the image of a FROM may change.
func lockable(name string) bool {
	return name != "scratch" && !strings.HasPrefix(name, "containers-storage:@")
}

// Lock returns what the stages that the targets need were resolved to.
func (out *Resolved) Lock(d *decl.Declaration, targets []string) (*Lock, error) {
	stages, err := plan.Order(d.Stages, targets)
	if err != nil {
		return nil, err
	}
	l := &Lock{Version: lockVersion, Images: []LockedImage{}, Bootstraps: []debian.Locked{}, Git: map[string]LockedGit{}}
	for _, s := range stages {
		if res := out.Packages[s.ID]; res != nil {
			if _, have := l.bootstrap(out.Wanted[s.ID]); !have {
				l.Bootstraps = append(l.Bootstraps, res.Lock(out.Wanted[s.ID]))
			}
		}
		for _, a := range s.Actions {
			from, ok := a.(*decl.From)
			if !ok || !lockable(from.Image) {
				continue
			}
			if _, have := l.image(from.Image, out.Arch); !have {
				ref := plan.ImageRef(s, from.Image)
				l.Images = append(l.Images, LockedImage{Name: from.Image, Arch: out.Arch, Digest: lockedForm(ref, out.Images[ref])})
			}
		}
	}
	for _, t := range out.Trees {
		if !git.IsCommit(t.Revision) {
			l.Git[lockedName(&t)] = LockedGit{Commit: t.Commit, Ref: t.Ref}
		}
	}
	l.sort()
	return l, nil
}

// lockedForm is a pinned reference as it is written to a lock file: for an image on
// this machine the digest alone, since its place may differ on another machine.
func lockedForm(ref, pinned string) string {
	if !oci.IsLocal(ref) {
		return pinned
	}
	digest := plan.DigestOf(pinned)
	if !strings.HasPrefix(digest, "sha256:") {
		digest = "sha256:" + digest
	}
	return digest
}

// Within reports whether other has all entries of l, with the same values.
func (l *Lock) Within(other *Lock) bool {
	for _, i := range l.Images {
		if got, ok := other.image(i.Name, i.Arch); !ok || got != i.Digest {
			return false
		}
	}
	for _, b := range l.Bootstraps {
		i := slices.IndexFunc(other.Bootstraps, func(x debian.Locked) bool { return lockName(x) == lockName(b) })
		if i < 0 || !sameLocked(other.Bootstraps[i], b) {
			return false
		}
	}
	for name, g := range l.Git {
		if other.Git[name] != g {
			return false
		}
	}
	return true
}

func sameLocked(a, b debian.Locked) bool {
	return slices.Equal(a.Packages, b.Packages) && slices.EqualFunc(a.Releases, b.Releases, func(x, y debian.LockedRelease) bool {
		return x.Suite == y.Suite && x.Date.Equal(y.Date)
	})
}
