// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"errors"
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/source/bitbake"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// GitTree is a git tree of the declaration, at a commit.
type GitTree struct {
	Path     string `json:"path"`           // inside a stage
	Name     string `json:"name,omitempty"` // of the layer, "" for the base layer
	URL      string `json:"url"`            // as declared, without a password
	Revision string `json:"revision"`
	Commit   string `json:"commit"`
	Ref      string `json:"ref,omitempty"`    // that the commit was found by
	Mirror   string `json:"mirror,omitempty"` // where it was fetched from, without a password, if not from URL

	From git.Pinned `json:"-"` // where it is fetched from: the address may have a password

	Span decl.Span `json:"at,omitzero"` // in the declaration
}

// Origin is where a tree comes from.
type Origin struct {
	Remote *decl.Remote
	Repo   string
}

// UsesTrees reports whether one of the stages checks git trees out.
func UsesTrees(stages []*decl.Stage) bool {
	return slices.ContainsFunc(stages, func(s *decl.Stage) bool {
		return slices.ContainsFunc(s.Actions, func(a decl.Action) bool { return a.Kind() == decl.ReposyncKind })
	})
}

// DeclaredTrees are the base layer and all layers, at their declared addresses.
func DeclaredTrees(d *decl.Declaration) ([]GitTree, []Origin, error) {
	if d.Base == nil {
		return nil, nil, errors.New("the declaration has no base layer")
	}
	trees := []GitTree{{Path: bitbake.Dir(d.Base.Repo, ""), Revision: d.Base.Revision, Span: d.Base.Span}}
	remotes, repos := []string{d.Base.Remote}, []string{d.Base.Repo}
	for _, l := range d.Layers {
		trees = append(trees, GitTree{Path: bitbake.Dir(d.Base.Repo, l.Name), Name: l.Name, Revision: l.Revision, Span: l.Span})
		remotes, repos = append(remotes, l.Remote), append(repos, l.Repo)
	}
	var from []Origin
	for i := range trees {
		n := slices.IndexFunc(d.Remotes, func(r decl.Remote) bool { return r.Name == remotes[i] })
		if n < 0 {
			return nil, nil, fmt.Errorf("no remote %s is declared", remotes[i])
		}
		trees[i].URL = git.Redact(d.Remotes[n].BaseURL + repos[i])
		from = append(from, Origin{&d.Remotes[n], repos[i]})
	}
	return trees, from, nil
}

// MissingRevisions tells where the revisions are declared that do not exist, if there
// is nothing else that is wrong. at are the places in trees of those that were
// asked for.
func MissingRevisions(err error, asked []git.Tree, at []int, trees []GitTree) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	var findings decl.Findings
	for _, e := range all {
		var none *git.NotFoundError
		if !errors.As(e, &none) {
			return err
		}
		i := slices.IndexFunc(asked, func(t git.Tree) bool { return git.Redact(t.URL) == none.URL && t.Revision == none.Revision })
		if i < 0 {
			return err
		}
		findings = append(findings, decl.Finding{Span: trees[at[i]].Span, Summary: none.Error()})
	}
	return &decl.FindingsError{Findings: findings}
}

// MissingCommits tells where the commits are declared that an error of fetching
// trees is about, if there is nothing else that is wrong; otherwise it is the error.
// from says where each tree was to be fetched from.
func MissingCommits(err error, trees []GitTree, from []git.Pinned) error {
	var asked []git.Tree
	var at []int
	for i, p := range from {
		asked, at = append(asked, git.Tree{URL: p.URL, Revision: p.Commit}), append(at, i)
	}
	return MissingRevisions(err, asked, at, trees)
}
