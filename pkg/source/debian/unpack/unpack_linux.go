// SPDX-License-Identifier: MPL-2.0

package unpack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"pault.ag/go/debian/version"

	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// unpacking is the state of one Set.Unpack.
type unpacking struct {
	Set
	Options
	root rootDir

	mu     sync.Mutex
	owners map[string]*unpacked // owners of all paths that are not directories
}

// chown sets the owner of a file.
func (u *unpacking) chown(dir int, name string, m meta) error {
	switch {
	case u.SkipOwners:
		return nil
	case u.Owners != nil:
		return u.Owners.Chown(dir, name, m.uid, m.gid)
	}
	return unix.Fchownat(dir, name, m.uid, m.gid, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH)
}

// unpacked is one package of an unpacking.
type unpacked struct {
	Package
	deb       deb
	control   control
	conffiles []conffile
	replaces  []field.Relation

	list    []listEntry     // the archive's names in order
	files   map[string]bool // canonical names of what is not a directory
	dirs    []dirMeta
	md5sums strings.Builder // if the package has none

	mu   sync.Mutex // guards lost
	lost map[string]bool
}

type listEntry struct {
	name  string // below the root
	claim string // the name under which it was claimed; "" for directories
}

// Unpack writes the packages into root, which must be an empty directory: files,
// dpkg's database with the packages in the state "unpacked", and what apt expects to
// find. If the caller is root of a user namespace, owners and modes are exact. Device
// nodes are not made. Directories get the metadata of base-files, or else of the first
// package that has them; no path of a package is followed out of root.
func (s Set) Unpack(ctx context.Context, root string, o Options) error {
	dir, err := openRoot(root)
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	defer dir.close()
	if names, err := dir.file.Readdirnames(1); len(names) > 0 {
		return fmt.Errorf("unpack: %s is not empty: it has %s", root, names[0])
	} else if err != nil && len(names) == 0 && !isEOF(err) {
		return fmt.Errorf("unpack: %w", err)
	}
	u := &unpacking{Set: s, Options: o, root: dir, owners: map[string]*unpacked{}}
	packages, err := u.readAll(ctx)
	if err != nil {
		return err
	}
	if err := u.skeleton(); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	if err := u.extractAll(ctx, packages); err != nil {
		return err
	}
	if err := u.writeDatabase(packages); err != nil {
		return fmt.Errorf("write dpkg's database: %w", err)
	}
	if err := u.finishDirs(packages); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}

// readAll reads the packages from the cache, verified, with their control parts:
// which package replaces which has to be known before the first file is written.
func (u *unpacking) readAll(ctx context.Context) ([]*unpacked, error) {
	out := make([]*unpacked, len(u.Packages))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range u.Packages {
		group.Go(func() error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			one, err := u.read(p)
			if err != nil {
				return fmt.Errorf("unpack %s %s: %w", p.Name, p.Version, err)
			}
			out[i] = one
			return nil
		})
	}
	return out, group.Wait()
}

func (u *unpacking) read(p Package) (*unpacked, error) {
	data, err := p.Read()
	if err != nil {
		return nil, err
	}
	one := &unpacked{Package: p, files: map[string]bool{}, lost: map[string]bool{}}
	if one.deb, err = parseDeb(data); err != nil {
		return nil, err
	}
	if one.control, err = one.deb.readControl(); err != nil {
		return nil, err
	}
	s := one.control.stanza
	if s.Get("Package") != p.Name || s.Get("Version") != p.Version {
		return nil, fmt.Errorf("says that it is %s %s", s.Get("Package"), s.Get("Version"))
	}
	if one.conffiles, err = one.control.conffiles(); err != nil {
		return nil, err
	}
	one.replaces, err = field.ParseRelations(s.Get("Replaces"), u.Arch)
	return one, err
}

// extractAll extracts base-files first, because of its directories and links, then
// the rest in parallel, largest first. Packages that may take a path over from
// another one come last, one by one.
func (u *unpacking) extractAll(ctx context.Context, packages []*unpacked) error {
	var done, total int64
	for _, p := range packages {
		total += p.Size
	}
	extract := func(p *unpacked) error {
		if err := newExtractor(u, p).run(p.deb); err != nil {
			return fmt.Errorf("unpack %s %s: %w", p.Name, p.Version, err)
		}
		if u.Progress != nil {
			u.Progress(p.Name, atomic.AddInt64(&done, p.Size), total)
		}
		p.deb = deb{} // frees the archive's memory
		return nil
	}
	order := slices.Clone(packages)
	slices.SortStableFunc(order, func(a, b *unpacked) int { return cmp.Compare(b.Size, a.Size) })
	if i := slices.IndexFunc(order, func(p *unpacked) bool { return p.Name == baseFiles }); i >= 0 {
		if err := extract(order[i]); err != nil {
			return err
		}
		order = slices.Delete(order, i, i+1)
	}
	replacing := func(p *unpacked) bool {
		return slices.ContainsFunc(packages, func(q *unpacked) bool { return q != p && p.mayReplace(q, u.Arch) })
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	var last []*unpacked
	for _, p := range order {
		if len(p.replaces) > 0 && replacing(p) {
			last = append(last, p)
			continue
		}
		group.Go(func() error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			return extract(p)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, p := range last {
		if err := extract(p); err != nil {
			return err
		}
	}
	return nil
}

const baseFiles = "base-files"

// listed adds a name to the package's list.
func (p *unpacked) listed(name, claim string) {
	p.list = append(p.list, listEntry{name, claim})
	if claim != "" {
		p.files[canonical(claim)] = true
	}
}

// canonical is the name of a path in a merged /usr.
func canonical(name string) string {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32":
		if first != name {
			return "usr/" + name
		}
	}
	return name
}

// claim makes p the owner of a path. If two packages have the same path, the one
// that replaces the other wins, in whatever order they come, and the other loses
// the path from its list; if neither replaces the other, it is an error, as in
// dpkg. won says whether the caller writes the path.
func (u *unpacking) claim(name string, p *unpacked, remove func(string) error) (won bool, err error) {
	key := canonical(name)
	u.mu.Lock()
	defer u.mu.Unlock()
	q := u.owners[key]
	switch {
	case q == nil:
		u.owners[key] = p
		return true, nil
	case q == p:
		return false, fmt.Errorf("member %q occurs twice", name)
	case p.mayReplace(q, u.Arch):
		q.loses(key)
		u.owners[key] = p
		return true, remove(name)
	case q.mayReplace(p, u.Arch):
		p.loses(key)
		p.listed(name, name)
		return false, nil
	}
	return false, fmt.Errorf("member %q is also in package %s, which it does not replace", name, q.Name)
}

func (p *unpacked) loses(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost[key] = true
}

func (p *unpacked) mayReplace(q *unpacked, arch string) bool {
	ver, err := version.Parse(q.Version)
	if err != nil {
		return false
	}
	other := &field.Subject{Name: q.Name, Multi: q.control.stanza.Get("Multi-Arch"), Ver: ver}
	for _, r := range p.replaces {
		for _, a := range r {
			if a.Matches(other, arch) {
				return true
			}
		}
	}
	return false
}

// finishDirs sets the metadata of all directories, deepest first so that times
// stay.
func (u *unpacking) finishDirs(packages []*unpacked) error {
	all := map[string]meta{}
	for _, p := range packages {
		for _, d := range p.dirs {
			if _, ok := all[canonical(d.name)]; !ok || p.Name == baseFiles {
				all[canonical(d.name)] = d.meta
			}
		}
	}
	names := make([]string, 0, len(all))
	for n := range all {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(b, a) })
	dirs := newDirCache(u.root)
	defer dirs.close()
	for _, n := range names {
		if n == "." {
			continue
		}
		parent, base, err := dirs.parent(n)
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Fstatat(parent, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &os.PathError{Op: "stat", Path: n, Err: err}
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			continue // a package's directory in place of which there is a link
		}
		if err := u.setMeta(parent, base, all[n]); err != nil {
			return fmt.Errorf("directory %s: %w", n, err)
		}
	}
	return u.finishRoot(all)
}

func (u *unpacking) finishRoot(all map[string]meta) error {
	m, ok := all["."]
	if !ok {
		m = meta{mode: 0o755}
	}
	fd := int(u.root.file.Fd())
	if err := u.chown(fd, "", m); err != nil {
		return fmt.Errorf("chown of the root: %w", err)
	}
	if err := unix.Fchmod(fd, m.mode); err != nil {
		return fmt.Errorf("chmod of the root: %w", err)
	}
	tv := unix.NsecToTimeval(m.mtime * 1e9)
	return unix.Futimes(fd, []unix.Timeval{tv, tv})
}

// skeleton makes what has to exist before the first package: the links of a merged
// /usr, which dpkg keeps in place of the packages' directories.
func (u *unpacking) skeleton() error {
	if !u.MergedUsr {
		return nil
	}
	links := []string{"bin", "sbin", "lib"}
	if slices.Contains([]string{"amd64", "ppc64", "ppc64el", "s390x", "loong64", "x32"}, u.Arch) {
		links = append(links, "lib64")
	}
	for _, l := range links {
		fd, err := u.root.openDir(path.Join("usr", l))
		if err != nil {
			return err
		}
		err = unix.Symlinkat("usr/"+l, int(u.root.file.Fd()), l)
		if err := errors.Join(err, unix.Close(fd)); err != nil {
			return fmt.Errorf("link /%s: %w", l, err)
		}
	}
	return nil
}
