// SPDX-License-Identifier: MPL-2.0

package git

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMove(t *testing.T) {
	o := newOrigin(t)
	first := o.git("rev-parse", "HEAD")
	second := o.commit("x", "2\n")
	o.git("tag", "two")
	o.push()
	c := newCache(t)
	opt := CheckoutOptions{RemoteName: "r", Branch: "b"}
	p, dir := get(t, c, o.bare, first, opt)
	write := func(name, text string) { must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)) }
	move := func(id string) (bool, error) {
		t.Helper()
		p.Commit = id
		return c.Move(t.Context(), p, dir, opt)
	}
	want := func(id string) {
		t.Helper()
		if got := o.run(dir, "git", "rev-parse", "HEAD", "b"); got != id+"\n"+id {
			t.Errorf("HEAD and branch are at %s, want %s", got, id)
		}
	}
	refused := func(id, text string) {
		t.Helper()
		var changed *LocalChangesError
		if _, err := move(id); !errors.As(err, &changed) || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want a refusal for %s", err, text)
		}
	}
	write("untracked", "mine\n")
	if moved, err := move(first); moved || err != nil {
		t.Errorf("at the commit already: got %v, %v", moved, err)
	}
	if moved, err := move(second); !moved || err != nil {
		t.Errorf("to another commit: got %v, %v", moved, err)
	}
	want(second)
	if got := o.run(dir, "git", "tag"); got != "two" {
		t.Errorf("tags: %s", got)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "untracked")); err != nil || string(text) != "mine\n" {
		t.Errorf("an untracked file: %q, %v", text, err)
	}

	write("README", "changed\n")
	refused(first, "local changes (README)")
	want(second)
	if moved, err := move(second); moved || err != nil {
		t.Errorf("changed, and at the commit: got %v, %v", moved, err)
	}
	o.run(dir, "git", "commit", "--quiet", "-a", "-m", "own")
	refused(first, "commits that "+o.bare+" does not have")
	o.run(dir, "git", "reset", "--hard", "--quiet", second)

	o.run(dir, "git", "rm", "--quiet", "x")
	refused(first, "local changes (x)")
	o.run(dir, "git", "reset", "--hard", "--quiet", first)
	write("x", "in the way\n")
	if _, err := move(second); err == nil || !strings.Contains(err.Error(), "would be overwritten") {
		t.Errorf("an untracked file in the way: got %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "x")); err != nil || string(text) != "in the way\n" {
		t.Errorf("it was overwritten: %q, %v", text, err)
	}
}
