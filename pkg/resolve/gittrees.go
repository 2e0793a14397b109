// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"context"
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/key"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// trees resolves the git trees of a declaration to commits: as locked, or as
// pinned by an earlier build unless Update is set.
func (r *Resolver) trees(ctx context.Context, d *decl.Declaration, out *Resolved) error {
	trees, origins, err := plan.DeclaredTrees(d)
	if err != nil {
		return err
	}
	out.Trees = trees
	var open []git.Tree
	var at []int
	for i := range trees {
		t, o := &trees[i], origins[i]
		url, err := r.Rewrites.Apply(o.Remote.Name, o.Remote.BaseURL, o.Repo)
		if err != nil {
			return &finding.ListError{Findings: finding.Findings{{Span: o.Remote.Span, Summary: err.Error()}}}
		}
		if url == o.Remote.BaseURL+o.Repo { // as declared
			if err := CheckGit(r.Within, url); err != nil {
				return refused(err, o.Remote.Span, fmt.Sprintf("git repository %q", t.URL))
			}
		}
		if p, ok := r.fixed(url, t); ok {
			take(t, p)
			continue
		}
		if r.unlockedTree(t, out) {
			continue
		}
		if p, ok := r.pinned(url, t); ok {
			take(t, p)
		} else {
			open, at = append(open, git.Tree{URL: url, Revision: t.Revision}), append(at, i)
		}
	}
	if len(open) == 0 || len(out.refused) > 0 {
		return nil
	}
	found, err := r.Git.ResolveAll(ctx, open)
	if r.put(out, err, plan.GitTrees) {
		return nil
	}
	if err != nil {
		return missingRevisions(err, open, at, trees)
	}
	for n, p := range found {
		if err := r.Pins.write(gitPin(p.URL, p.Revision), pin{Git: &p}); err != nil {
			return err
		}
		p.URL = open[n].URL
		take(&trees[at[n]], p)
	}
	return nil
}

// missingRevisions turns an error into findings at the places of the revisions that
// do not exist, if nothing else is wrong. at are the indices in trees of the
// revisions that were asked for.
func missingRevisions(err error, asked []git.Tree, at []int, trees []plan.GitTree) error {
	var findings finding.Findings
	for _, none := range git.Missing(err) {
		i := slices.IndexFunc(asked, func(t git.Tree) bool { return git.Redact(t.URL) == none.URL && t.Revision == none.Revision })
		if i < 0 {
			return err
		}
		findings = append(findings, finding.Finding{Span: trees[at[i]].Span, Summary: none.Error()})
	}
	if len(findings) == 0 {
		return err
	}
	return &finding.ListError{Findings: findings}
}

// ResolveTrees resolves only the git trees of a declaration, even if no stage
// checks them out.
func (r *Resolver) ResolveTrees(ctx context.Context, d *decl.Declaration) ([]plan.GitTree, error) {
	out := &Resolved{}
	if err := r.trees(ctx, d, out); err != nil {
		return nil, err
	}
	if len(out.refused) > 0 {
		return nil, &finding.ListError{Findings: out.refused}
	}
	return out.Trees, nil
}

// fixed is the commit of a revision that does not change: a commit id, which is
// checked when it is fetched, or what the lock file has.
func (r *Resolver) fixed(url string, t *plan.GitTree) (git.Pinned, bool) {
	if git.IsCommit(t.Revision) {
		return git.Pinned{URL: url, Revision: t.Revision, Commit: t.Revision}, true
	}
	if r.Lock != nil {
		if l, ok := r.Lock.Git[lockedName(t)]; ok {
			return git.Pinned{URL: url, Revision: t.Revision, Commit: l.Commit, Ref: l.Ref}, true
		}
	}
	return git.Pinned{}, false
}

// pinned is the commit that an earlier build has found for a revision.
func (r *Resolver) pinned(url string, t *plan.GitTree) (git.Pinned, bool) {
	p, ok := r.Pins.read(gitPin(git.Redact(url), t.Revision))
	if !ok || p.Git == nil || r.Update {
		return git.Pinned{}, false
	}
	p.Git.URL = url // which may have a password
	return *p.Git, true
}

// lockedName is the tree's name in a lock file, whatever address it is fetched from
// here.
func lockedName(t *plan.GitTree) string { return t.URL + " " + t.Revision }

// unlockedTree notes a tree that is not in the lock file, if there is one, and
// reports whether that is a mistake.
func (r *Resolver) unlockedTree(t *plan.GitTree, out *Resolved) bool {
	what := fmt.Sprintf("revision %s of %s", t.Revision, t.URL)
	return r.unlocked("", t.Span, what, out)
}

func take(t *plan.GitTree, p git.Pinned) {
	t.Commit, t.Ref, t.From = p.Commit, p.Ref, p
	if from := git.Redact(p.URL); from != t.URL {
		t.Mirror = from
	}
}

func gitPin(url, revision string) string { return key.Name("pin git", url, revision) }
