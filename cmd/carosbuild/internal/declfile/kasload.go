// SPDX-License-Identifier: MPL-2.0

package declfile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/load"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/kas"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// KasFiles are the files of a project of kas that an argument names: one, or
// several separated by colons. It is nil for other arguments.
func KasFiles(arg string) []string {
	names := strings.Split(arg, ":")
	for _, n := range names {
		if !slices.Contains([]string{".yml", ".yaml", ".json"}, filepath.Ext(n)) {
			return nil
		}
	}
	return names
}

// maxKasFile is one byte more than the largest project file.
const maxKasFile = 1<<20 + 1

// ReadKas makes a declaration from a project of kas.
func ReadKas(ctx context.Context, a *cli.App, names []string, cache string) (decl.Source, *kas.Declaration, error) {
	for _, n := range names {
		if st, err := os.Stat(n); errors.Is(err, fs.ErrNotExist) {
			return decl.Source{}, nil, cli.Usagef("there is no file %s", n)
		} else if err != nil {
			return decl.Source{}, nil, cli.Usage(err)
		} else if !st.Mode().IsRegular() {
			return decl.Source{}, nil, cli.Usagef("%s is not a regular file", n)
		}
	}
	for _, n := range names {
		if err := checkNamed(a.Within, n); err != nil {
			return decl.Source{}, nil, err
		}
	}
	work := a.Getenv("KAS_WORK_DIR")
	work, err := filepath.Abs(work)
	if err != nil {
		return decl.Source{}, nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(names[0]))
	if err != nil {
		return decl.Source{}, nil, err
	}
	open, err := kasOpener(ctx, a, cache)
	if err != nil {
		return decl.Source{}, nil, err
	}
	p, sources, findings := kas.Read(names, kas.Options{WorkDir: work, NoLock: a.Kas.Update, Getenv: a.Getenv, Open: open, Within: a.Within})
	a.Origins = append(a.Origins, sources...)
	var d *kas.Declaration
	if p != nil && !findings.HasErrors() {
		var more finding.Findings
		d, more = p.Declare(kas.Form{From: a.Kas.From, Base: a.Kas.Base, Dir: dir, Known: workTree(ctx, a, cache)})
		findings = append(findings, more...)
	}
	if findings.HasErrors() {
		return decl.Source{}, nil, &finding.ListError{Findings: findings}
	}
	if err := a.ShowFindings(findings); err != nil {
		return decl.Source{}, nil, err
	}
	noteEnvironment(a)
	return decl.Source{Name: strings.Join(names, ":") + cli.AsDeclaration, Dirs: []string{dir}, Data: d.XML}, d, nil
}

// kasOpener opens the git repositories from which a project includes files.
func kasOpener(ctx context.Context, a *cli.App, cache string) (func(kas.Repo) (fs.FS, error), error) {
	rewrites, err := a.Rewrites(a.Kas.Remotes)
	if err != nil {
		return nil, err
	}
	return func(r kas.Repo) (fs.FS, error) {
		remote, base, repo := r.Address()
		url, err := rewrites.Apply(remote, base, repo)
		if err != nil {
			return nil, err
		}
		if url == base+repo { // address in the project
			if err := resolve.CheckGit(a.Within, url); err != nil {
				return nil, err
			}
		}
		c := a.GitCache(cli.Dirs{Cache: cache}, render.Quiet{})
		pin, err := c.Resolve(ctx, git.Tree{URL: url, Revision: r.Revision()})
		if err != nil {
			return nil, err
		}
		if err := c.Ensure(ctx, []git.Pinned{pin}); err != nil {
			return nil, err
		}
		return c.FS(ctx, pin, maxKasFile)
	}, nil
}

// workTree lists the files of git work trees, except for untracked files that
// carosbuild itself writes.
func workTree(ctx context.Context, a *cli.App, cache string) func(string) ([]string, []string, error) {
	return func(dir string) ([]string, []string, error) {
		tracked, others, err := a.GitCache(cli.Dirs{Cache: cache}, render.Quiet{}).WorkTree(ctx, dir)
		others = slices.DeleteFunc(others, func(name string) bool { return isOutput(filepath.Join(dir, name)) })
		return tracked, others, err
	}
}

// isOutput reports whether a file is one that carosbuild writes: a lock file, a
// disk, or a declaration made from a project.
func isOutput(name string) bool {
	switch {
	case slices.ContainsFunc(append(disk.Endings(), ".lock"), func(e string) bool { return strings.HasSuffix(name, e) }):
		return true
	case filepath.Ext(name) != ".xml":
		return false
	}
	if st, err := os.Stat(name); err != nil || !st.Mode().IsRegular() {
		return false
	} else if st.Size() == 0 { // the shell has just created it for import
		return true
	}
	data, err := load.Limited(name)
	return err == nil && bytes.HasPrefix(data, []byte(kas.Heading))
}
