// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"errors"
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/source/bitbake"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// GitTree is a git tree of the declaration, at a commit.
type GitTree struct {
	Path     string `json:"path"`           // path inside a stage
	Name     string `json:"name,omitempty"` // name of the layer, "" for the base layer
	URL      string `json:"url"`            // as declared, without a password
	Revision string `json:"revision"`
	Commit   string `json:"commit"`
	Ref      string `json:"ref,omitempty"`    // name of the revision from which the commit was found
	Mirror   string `json:"mirror,omitempty"` // where it was fetched from, without a password, if that is not URL

	From git.Pinned `json:"-"` // where it is fetched from: the address may have a password

	Span finding.Span `json:"at,omitzero"` // in the declaration
}

// Origin is the address and revision that a tree comes from.
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

// MissingCommits turns an error of fetching trees into findings at the places of
// missing commits, if nothing else is wrong; otherwise it returns the error. from
// says where each tree was to be fetched from.
func MissingCommits(err error, trees []GitTree, from []git.Pinned) error {
	var findings finding.Findings
	for _, none := range git.Missing(err) {
		i := slices.IndexFunc(from, func(p git.Pinned) bool { return git.Redact(p.URL) == none.URL && p.Commit == none.Revision })
		if i < 0 {
			return err
		}
		findings = append(findings, finding.Finding{Span: trees[i].Span, Summary: none.Error()})
	}
	if len(findings) == 0 {
		return err
	}
	return &finding.ListError{Findings: findings}
}
