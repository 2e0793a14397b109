// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"context"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/words"
)

const machineID = "etc/machine-id"

// own is a kind of files that differ from machine to machine, or that are of use
// only to the machine of the build.
type own struct {
	kind     string   // a word of decl.Generalized
	patterns []string // absolute; a pattern that ends in /** means all files and links below
	private  bool     // files that two machines must not share
	title    string   // title of a private kind
	makers   []string // words, one of which is in the unit or script that makes new files of this kind
	remedy   string
}

// owns is by the kinds of decl.Generalized, in their order.
var owns = []own{
	{
		kind: "host-keys", patterns: []string{"/etc/ssh/ssh_host_*", "/etc/dropbear/dropbear_*_host_key"},
		private: true, title: "host keys of ssh", makers: []string{"ssh-keygen -A", "sshd-keygen", "dropbearkey", "cloud-init"},
		remedy: "a unit that runs ssh-keygen -A before ssh.service",
	},
	{kind: "machine-id", patterns: []string{"/etc/machine-id", "/var/lib/dbus/machine-id"}, private: true, title: "the machine's id"},
	{
		kind: "seeds", private: true, title: "seeds and secrets of the machine",
		patterns: []string{
			"/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret", "/var/lib/random-seed", "/var/lib/urandom/random-seed",
			"/var/lib/NetworkManager/secret_key",
		},
	},
	{
		kind: "certificates", patterns: []string{"/etc/ssl/private/ssl-cert-snakeoil.key", "/etc/ssl/certs/ssl-cert-snakeoil.pem"},
		private: true, title: "a certificate with its key", makers: []string{"make-ssl-cert"},
		remedy: "a unit that runs make-ssl-cert generate-default-snakeoil",
	},
	{kind: "logs", patterns: []string{"/var/log/**"}},
	{kind: "caches", patterns: []string{
		"/var/lib/apt/lists/*", "/var/cache/apt/*.bin", "/var/cache/apt/archives/*.deb", "/var/cache/debconf/*-old", "/var/lib/dpkg/*-old",
		"/var/cache/ldconfig/aux-cache", "/var/cache/man/*", "/var/tmp/*", "/tmp/*",
	}},
	{kind: "backups", patterns: []string{
		"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/etc/.pwd.lock",
	}},
}

// files are the paths in a tree that match the kind, in order.
func (o own) files(t *tree.Tree) []string {
	var out []string
	for _, pattern := range o.patterns {
		dir, below := strings.CutSuffix(pattern, "/**")
		if below {
			out = append(out, allBelow(t, dir)...)
			continue
		}
		paths, err := t.Glob(pattern) // an error means that there is none
		if err != nil {
			continue
		}
		for _, p := range paths {
			if e, err := t.Lookup(path.Dir("/" + p)); err == nil {
				p = strings.TrimPrefix(path.Join(e.Path, path.Base(p)), "/")
			}
			if !unowned(t, p) {
				out = append(out, p)
			}
		}
	}
	if o.kind == "caches" {
		out = append(out, pycaches(t)...)
	}
	if o.kind == "certificates" {
		out = append(out, linksTo(t, "etc/ssl/certs/", "ssl-cert-snakeoil.pem")...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// unowned reports whether a file is not specific to a machine: a machine-id that is
// still to be made, or a link to one.
func unowned(t *tree.Tree, p string) bool {
	if path.Base(p) != "machine-id" {
		return false
	}
	e := entryAt(t, p)
	if e == nil || e.Type() != tree.Regular || e.Size == 0 {
		return true
	}
	return e.Size < 64 && strings.TrimSpace(textOf(e)) == "uninitialized"
}

// entryAt is the entry of exactly that path, or nil.
func entryAt(t *tree.Tree, p string) *tree.Entry {
	i, ok := slices.BinarySearchFunc(t.Entries, p, func(e tree.Entry, p string) int { return tree.Compare(e.Path, p) })
	if !ok {
		return nil
	}
	return &t.Entries[i]
}

// textOf is the content of a small file, or "" if it cannot be read.
func textOf(e *tree.Entry) string {
	if e.Content == nil {
		return ""
	}
	b, err := io.ReadAll(io.NewSectionReader(e.Content, 0, min(e.Size, 64<<10)))
	if err != nil {
		return ""
	}
	return string(b)
}

func allBelow(t *tree.Tree, dir string) []string {
	top, err := t.Lookup(dir)
	if err != nil || top.Type() != tree.Dir {
		return nil
	}
	var out []string
	for _, e := range t.Entries {
		if strings.HasPrefix(e.Path, top.Path+"/") && (e.Hardlink != "" || e.Type() == tree.Regular) {
			out = append(out, e.Path)
		}
	}
	return out
}

func pycaches(t *tree.Tree) []string {
	var out []string
	for _, e := range t.Entries {
		if e.Hardlink == "" && e.Type() == tree.Dir && path.Base(e.Path) == "__pycache__" {
			out = append(out, e.Path)
		}
	}
	return out
}

func linksTo(t *tree.Tree, prefix, name string) []string {
	var out []string
	for _, e := range t.Entries {
		if strings.HasPrefix(e.Path, prefix) && e.Type() == tree.Symlink && e.Link == name {
			out = append(out, e.Path)
		}
	}
	return out
}

// generalized is the tree of a root file system for the disk, without the files
// that <generalize> removes.
func (c *composer) generalized(t *tree.Tree) *tree.Tree {
	g := c.disk.Generalize
	if g == nil {
		return t
	}
	drop, blank := map[string]bool{}, false
	for _, o := range owns {
		if slices.Contains(g.Except, o.kind) {
			continue
		}
		for _, f := range o.files(t) {
			switch {
			case excepted(g, f):
			case f == machineID:
				blank = true
			default:
				drop[f] = true
			}
		}
	}
	out := t.Drop(drop)
	if !blank {
		return out
	}
	// Empty: systemd makes one, as on the first boot of any image.
	file := *entryAt(t, machineID)
	file.Size, file.Content, file.Data = 0, nil, nil
	return out.With([]tree.Entry{file})
}

// excepted reports whether a file, or a directory above it, is kept.
func excepted(g *decl.Generalize, file string) bool {
	for _, pattern := range g.Except {
		for p := "/" + file; p != "/"; p = path.Dir(p) {
			if ok, err := path.Match(pattern, p); ok && err == nil {
				return true
			}
		}
	}
	return false
}

// root is the tree of a stage as it goes on the disk.
func (c *composer) root(ctx context.Context, stage string) (*tree.Tree, error) {
	if t, ok := c.roots[stage]; ok {
		return t, nil
	}
	t, err := c.trees.get(ctx, stage)
	if err != nil {
		return nil, err
	}
	t = c.generalized(t)
	c.roots[stage] = t
	return t, nil
}

// isRoot reports whether a directory of a stage is a root file system itself.
func isRoot(t *tree.Tree) bool {
	return entryAt(t, "etc") != nil && (entryAt(t, "usr") != nil || entryAt(t, "bin") != nil)
}

// noteOwn notes private files in a partition, whose files are below a directory of
// a tree, that machines would share, and removed files that nothing on the machine
// makes anew.
func (c *composer) noteOwn(p *decl.Partition, top string, t *tree.Tree) {
	g := c.disk.Generalize
	for _, o := range owns {
		if !o.private || g != nil && slices.Contains(g.Except, o.kind) {
			continue
		}
		var files []string
		for _, f := range o.files(t) {
			if (top == "" || strings.HasPrefix(f, top+"/")) && (g == nil || !excepted(g, f)) {
				files = append(files, "/"+f)
			}
		}
		stage := c.stage("", p)
		switch {
		case len(files) == 0:
		case g == nil && strings.HasPrefix(p.Path, "deploy:"): // an action cannot change what bitbake has packed
			c.note("the image that is deployed in stage %s has %s, which every machine made of this disk would share: %s. <generalize/> in the <disk> leaves them out",
				stage, o.title, words.Few(files))
		case g == nil:
			c.note("stage %s has %s, which every machine made of this disk would share: %s. <generalize/> in the <disk> leaves them out, or %s in the stage",
				stage, o.title, words.Few(files), removal(files))
		case len(o.makers) > 0 && !starts(t, o.makers):
			c.note("<generalize> leaves out %s (%s), and nothing in stage %s makes new ones: add %s, or except=%q", o.title, words.Few(files), stage, o.remedy, o.kind)
		}
	}
}

// removal is the action that does to a stage what <generalize> does to a disk.
func removal(files []string) string {
	files = slices.Clone(files)
	id := slices.Index(files, "/"+machineID)
	if id >= 0 {
		files = slices.Delete(files, id, id+1)
	}
	command := "rm -f " + strings.Join(files, " ")
	switch {
	case len(files) == 0:
		return "RUN : >/" + machineID
	case id >= 0:
		return "RUN " + command + "; : >/" + machineID
	case strings.HasPrefix(files[len(files)-1], "/etc/ssh/ssh_host_"):
		return "RUN rm -f /etc/ssh/ssh_host_*"
	}
	return "RUN " + command
}
