// SPDX-License-Identifier: MPL-2.0

package git

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/netfault"
	"github.com/google/go-cmp/cmp"
)

func TestResolve(t *testing.T) {
	o := newOrigin(t)
	first := o.git("rev-parse", "HEAD")
	o.git("tag", "light")
	o.git("tag", "-a", "-m", "x", "annotated")
	o.git("tag", "-a", "-m", "x", "nested", "annotated")
	second := o.commit("a/b", "2\n")
	o.git("branch", "topic/x")
	o.git("branch", "both", first)
	o.git("tag", "both", second)
	o.git("update-ref", "refs/changes/1", first)
	o.push()
	full := "refs/tags/annotated"
	c := newCache(t)
	for _, tt := range []struct {
		revision string
		want     Pinned
	}{
		{first, Pinned{Commit: first}},
		{strings.ToUpper(first), Pinned{Commit: first}},
		{first[:8], Pinned{Commit: first}},
		{"light", Pinned{Commit: first, Ref: "refs/tags/light"}},
		{"annotated", Pinned{Commit: first, Ref: full}},
		{"nested", Pinned{Commit: first, Ref: "refs/tags/nested"}},
		{full, Pinned{Commit: first, Ref: full}},
		{"main", Pinned{Commit: second, Ref: "refs/heads/main", Moving: true}},
		{"topic/x", Pinned{Commit: second, Ref: "refs/heads/topic/x", Moving: true}},
		{"HEAD", Pinned{Commit: second, Ref: "HEAD", Moving: true}},
		{"both", Pinned{Commit: second, Ref: "refs/tags/both"}},
		{"refs/heads/both", Pinned{Commit: first, Ref: "refs/heads/both", Moving: true}},
		{"refs/changes/1", Pinned{Commit: first, Ref: "refs/changes/1", Moving: true}},
	} {
		for _, url := range []string{o.bare, "file://" + o.bare} {
			tt.want.URL, tt.want.Revision = url, tt.revision
			got, err := c.Resolve(t.Context(), Tree{url, tt.revision})
			must(t, err)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", tt.revision, diff)
			}
		}
	}
}

func TestResolveNote(t *testing.T) {
	o := newOrigin(t)
	o.git("tag", "both")
	o.git("branch", "both")
	o.push()
	c, notes := newCache(t), []string(nil)
	c.Events = func(e Event) {
		if e.Note != "" {
			notes = append(notes, e.Note)
		}
	}
	_, err := c.Resolve(t.Context(), Tree{o.bare, "both"})
	must(t, err)
	if len(notes) != 1 || !strings.Contains(notes[0], "the tag is taken") {
		t.Errorf("got %q, want one note that the tag is taken", notes)
	}
}

func TestResolveErrors(t *testing.T) {
	o := newOrigin(t)
	tree := o.git("rev-parse", "HEAD^{tree}")
	o.git("tag", "-a", "-m", "x", "annotated")
	o.git("tag", "of-tree", tree)
	o.push()
	c := newCache(t)
	for _, tt := range []struct{ revision, want string }{
		{"none", "no branch or tag has this name"},
		{"refs/tags/none", "no branch or tag has this name"},
		{"0123456", "no commit an id that begins so"},
		{strings.Repeat("12", 20), "does not give it by its id"},
		{strings.Repeat("12", 32), "ids of this repository have 40 digits"},
		{tree, "it is a tree, not a commit"},
		{o.git("rev-parse", "annotated"), "it is a tag, not a commit"},
		{"of-tree", "it is a tree, not a commit"},
		{"", "empty revision"},
	} {
		_, err := c.Resolve(t.Context(), Tree{o.bare, tt.revision})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.revision, err, tt.want)
		}
	}
}

// TestPinnedWithoutNetwork: no server is asked for a commit that the mirror has.
func TestPinnedWithoutNetwork(t *testing.T) {
	o := newOrigin(t)
	c := newCache(t)
	p, _ := get(t, c, o.bare, o.git("rev-parse", "HEAD"), CheckoutOptions{})
	must(t, os.Rename(o.bare, o.bare+".away"))
	get(t, c, o.bare, p.Commit, CheckoutOptions{})
	if _, err := c.Resolve(t.Context(), Tree{o.bare, "main"}); !netfault.Is(err) {
		t.Errorf("a branch: got %v, want an error of the network", err)
	}
}

// TestMovedBranch: commits that were overwritten by a push are kept, new ones are
// seen, and a branch is resolved without fetching.
func TestMovedBranch(t *testing.T) {
	o := newOrigin(t)
	first := o.commit("x", "1\n")
	o.push()
	c := newCache(t)
	old, _ := get(t, c, o.bare, "main", CheckoutOptions{})
	o.git("reset", "--hard", "HEAD~1")
	second := o.commit("x", "2\n")
	o.git("branch", "main2")
	o.git("branch", "main2x")
	o.push()
	p, err := c.Resolve(t.Context(), Tree{o.bare, "main"})
	must(t, err)
	if old.Commit != first || p.Commit != second {
		t.Errorf("got %s and %s, want %s and %s", old.Commit, p.Commit, first, second)
	}
	m, err := c.mirror(o.bare)
	must(t, err)
	if missing, err := m.missing(t.Context(), []string{second}); err != nil || len(missing) != 1 {
		t.Errorf("the branch was fetched to be resolved: %v, %v", missing, err)
	}
	must(t, c.Ensure(t.Context(), []Pinned{p, old}))
	_, dir := get(t, c, o.bare, first, CheckoutOptions{})
	if text, err := os.ReadFile(filepath.Join(dir, "x")); err != nil || string(text) != "1\n" {
		t.Errorf("got %q, %v, want the file as it was before", text, err)
	}
}

// TestUnreachable: the server returns a commit by its id, or says that it does not.
func TestUnreachable(t *testing.T) {
	o := newOrigin(t)
	lost := o.commit("x", "1\n")
	o.push()
	o.git("reset", "--hard", "HEAD~1")
	o.commit("x", "2\n")
	o.push()
	c := newCache(t)
	_, dir := get(t, c, o.bare, lost, CheckoutOptions{})
	if text, err := os.ReadFile(filepath.Join(dir, "x")); err != nil || string(text) != "1\n" {
		t.Errorf("got %q, %v", text, err)
	}
	err := c.Ensure(t.Context(), []Pinned{{URL: o.bare, Commit: strings.Repeat("ab", 20)}})
	var none *NotFoundError
	if !errors.As(err, &none) || none.Revision != strings.Repeat("ab", 20) || none.URL != o.bare {
		t.Errorf("got %v, want an error that names address and commit", err)
	}
}
