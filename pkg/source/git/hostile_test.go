// SPDX-License-Identifier: MPL-2.0

package git

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/netfault"
)

// TestRefsThatLookLikeIDs: a full id is that commit, whatever the names of branches
// and tags are; a short one is a ref first.
func TestRefsThatLookLikeIDs(t *testing.T) {
	o := newOrigin(t)
	good := o.git("rev-parse", "HEAD")
	evil := o.commit("x", "evil\n")
	for _, name := range []string{good, strings.Repeat("12", 20), strings.Repeat("34", 32)} {
		o.git("update-ref", "refs/heads/"+name, evil)
		o.git("update-ref", "refs/tags/"+name, evil)
	}
	o.git("update-ref", "refs/heads/"+evil[:8], good)
	o.push()
	c := newCache(t)
	p, err := c.Resolve(t.Context(), Tree{o.bare, good})
	must(t, err)
	if p.Commit != good || p.Ref != "" {
		t.Errorf("got %+v, want the commit %s", p, good)
	}
	for _, name := range []string{strings.Repeat("12", 20), strings.Repeat("34", 32)} {
		if p, err := c.Resolve(t.Context(), Tree{o.bare, name}); err == nil {
			t.Errorf("a branch called %s was taken for a commit: %+v", name, p)
		}
	}
	if p, err = c.Resolve(t.Context(), Tree{o.bare, evil[:8]}); err != nil || p.Commit != good || p.Ref == "" {
		t.Errorf("got %+v, %v, want the branch", p, err)
	}
	_, dir := get(t, c, o.bare, good, CheckoutOptions{})
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("the branch was checked out instead of the commit")
	}
}

// TestRefusedAddresses: an address that git would take for an option, or hand to
// another program, is not passed to it.
func TestRefusedAddresses(t *testing.T) {
	requireGit(t)
	mark := filepath.Join(t.TempDir(), "mark")
	for _, url := range []string{
		"--upload-pack=touch " + mark, "-u", "ext::sh -c touch% " + mark, "fd::3", "ext::x", "persistent-https://x/y", "ftp://x/y", "foo::bar",
		"ssh://-oProxyCommand=touch%20" + mark + "/x", "ssh://-oProxyCommand=x@h/x", "-oProxyCommand=x:y", "git://-x/y", "http:///x",
		"relative/path", "../up", "", "https://x/a b", "https://x/a\nb", "https://x/\x00", "HTTPS://x/y", "https://%zz/",
	} {
		_, err := newCache(t).Resolve(t.Context(), Tree{url, "main"})
		if err == nil || netfault.Is(err) || !strings.Contains(err.Error(), "git address") {
			t.Errorf("%q: got %v, want that it is refused", url, err)
		}
	}
	for _, revision := range []string{"--upload-pack=touch " + mark, "-x", "a..b", "a b", "HEAD^", "main@{0}", "main:README", "a\tb", ":/x"} {
		if _, err := newCache(t).Resolve(t.Context(), Tree{"/nowhere", revision}); err == nil || !strings.Contains(err.Error(), "revision") {
			t.Errorf("%q: got %v, want that it is refused", revision, err)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a program was started")
	}
}

// TestRewrittenToHelper: the user's insteadOf is honoured, except for remote
// helpers.
func TestRewrittenToHelper(t *testing.T) {
	o := newOrigin(t)
	c := newCache(t)
	home := t.TempDir()
	mark := filepath.Join(home, "mark")
	config := fmt.Sprintf("[url \"%s\"]\n\tinsteadOf = git://git.example.org/tree\n[url \"ext::touch %s #\"]\n\tinsteadOf = git://evil/\n"+
		"[core]\n\tautocrlf = true\n\thooksPath = %[2]s\n[protocol]\n\tallow = always\n[protocol \"ext\"]\n\tallow = always\n[user]\n\tname = x\n", o.bare, mark)
	must(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600))
	c.Env = []string{"HOME=" + home}
	p, dir := get(t, c, "git://git.example.org/tree", "main", CheckoutOptions{})
	if p.URL != "git://git.example.org/tree" {
		t.Errorf("the pin has the address %s", p.URL)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "README")); err != nil || string(text) != "hello\n" {
		t.Errorf("got %q, %v: the user's configuration had an influence", text, err)
	}
	if _, err := c.Resolve(t.Context(), Tree{"git://evil/x", "main"}); err == nil || !strings.Contains(err.Error(), "not allowed") {
		t.Errorf("got %v, want that ext is not allowed", err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a program was started")
	}
}

// TestNothingOfTheTreeRuns: attributes name filters, drivers and hooks, and the
// configuration of the origin has them, but none is run.
func TestNothingOfTheTreeRuns(t *testing.T) {
	o := newOrigin(t)
	mark := filepath.Join(t.TempDir(), "mark")
	touch := "touch " + mark + "; cat"
	must(t, os.MkdirAll(filepath.Join(o.work, "hooks"), 0o755))
	must(t, os.WriteFile(filepath.Join(o.work, "hooks", "post-checkout"), []byte("#!/bin/sh\n"+touch), 0o755))
	must(t, os.WriteFile(filepath.Join(o.work, ".gitconfig"), []byte("[core]\n\tfsmonitor = "+touch+"\n"), 0o644))
	o.commit(".gitattributes", "* filter=evil diff=evil merge=evil\n*.txt text eol=crlf\n")
	o.commit("a.txt", "one\ntwo\n")
	o.push()
	for _, kv := range [][2]string{{"filter.evil.smudge", touch}, {"filter.evil.process", touch}, {"filter.evil.required", "true"}, {"core.fsmonitor", touch}, {"core.hooksPath", filepath.Join(o.work, "hooks")}, {"core.sshCommand", touch}, {"uploadpack.packObjectsHook", touch}} {
		o.run(o.bare, "git", "config", kv[0], kv[1])
	}
	_, dir := get(t, newCache(t), o.bare, "main", CheckoutOptions{})
	if text, err := os.ReadFile(filepath.Join(dir, "a.txt")); err != nil || string(text) != "one\r\ntwo\r\n" {
		t.Errorf("got %q, %v, want line ends as the attributes say", text, err)
	}
	if got := o.run(dir, "git", "status", "--porcelain"); got != "" {
		t.Errorf("status: %s", got)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a program was started")
	}
	if _, err := os.Stat(filepath.Join(dir, ".git", "hooks")); err == nil {
		t.Error("there are hooks")
	}
}

// hashTree writes a tree object with the entries, whatever names they have.
func (o *origin) hashTree(entries ...string) string {
	o.t.Helper()
	name := filepath.Join(o.t.TempDir(), "tree")
	must(o.t, os.WriteFile(name, []byte(strings.Join(entries, "")), 0o600))
	return o.git("hash-object", "-t", "tree", "-w", "--literally", name)
}

func entry(mode, name, id string) string {
	var raw []byte
	for i := 0; i < len(id); i += 2 {
		var b byte
		_, _ = fmt.Sscanf(id[i:i+2], "%02x", &b)
		raw = append(raw, b)
	}
	return mode + " " + name + "\x00" + string(raw)
}

// TestPathsThatEscape: trees that git itself would not make.
func TestPathsThatEscape(t *testing.T) {
	o := newOrigin(t)
	outside := t.TempDir()
	blob := o.git("rev-parse", "HEAD:README")
	must(t, os.WriteFile(filepath.Join(o.work, "to"), []byte(outside), 0o600))
	link := o.git("hash-object", "-w", "to")
	inner := o.hashTree(entry("100644", "file", blob))
	for name, tree := range map[string]string{
		"dotdot":                   o.hashTree(entry("40000", "..", inner)),
		"slash":                    o.hashTree(entry("100644", "../escaped", blob)),
		"dotgit":                   o.hashTree(entry("40000", ".git", inner)),
		"dotGIT":                   o.hashTree(entry("40000", ".GIT", inner)),
		"link and directory":       o.hashTree(entry("120000", "d", link), entry("40000", "d", inner)),
		"link, then file below it": o.hashTree(entry("120000", "d", link), entry("100644", "d/file", blob)),
	} {
		commit := o.git("commit-tree", "-m", name, tree)
		branch := "evil-" + strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), ",", "")
		o.git("update-ref", "refs/heads/"+branch, commit)
		o.push()
		dir := filepath.Join(t.TempDir(), "tree")
		c := newCache(t)
		p, err := c.Resolve(t.Context(), Tree{o.bare, branch})
		must(t, err)
		if err = c.Ensure(t.Context(), []Pinned{p}); err == nil {
			err = c.Checkout(t.Context(), p, dir, CheckoutOptions{})
		}
		if err == nil && !strings.HasPrefix(name, "link") { // git accepts one or the other of these
			t.Errorf("%s: want an error", name)
		}
		for _, place := range []string{filepath.Join(outside, "file"), filepath.Join(filepath.Dir(dir), "file"), filepath.Join(filepath.Dir(dir), "escaped"), filepath.Join(dir, ".git", "file")} {
			if _, err := os.Lstat(place); err == nil {
				t.Errorf("%s: wrote %s", name, place)
			}
		}
	}
}

// TestSubmodules: they are neither fetched nor followed; a message says so.
func TestSubmodules(t *testing.T) {
	o := newOrigin(t)
	head := o.git("rev-parse", "HEAD")
	must(t, os.WriteFile(filepath.Join(o.work, ".gitmodules"), []byte("[submodule \"../../x\"]\n\tpath = sub\n\turl = ../../../etc\n\tupdate = !touch x\n"), 0o644))
	o.git("update-index", "--add", "--cacheinfo", "160000,"+head+",sub")
	o.git("add", ".gitmodules")
	o.git("commit", "--quiet", "-m", "sub")
	o.push()
	c, note := newCache(t), ""
	c.Events = func(e Event) { note += e.Note }
	_, dir := get(t, c, o.bare, "main", CheckoutOptions{})
	if !strings.Contains(note, "1 submodules are not fetched") {
		t.Errorf("got the note %q", note)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "sub")); err != nil || len(entries) != 0 {
		t.Errorf("got %v, %v, want an empty directory", entries, err)
	}
	if got := o.run(dir, "git", "status", "--porcelain"); strings.Trim(strings.ReplaceAll(got, "warning: ignoring suspicious submodule name: ../../x", ""), "\n") != "" {
		t.Errorf("status: %s", got)
	}
}

// TestStallingServer: a server that accepts a connection and sends nothing.
func TestStallingServer(t *testing.T) {
	requireGit(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	for _, scheme := range []string{"git", "http"} {
		c := newCache(t)
		c.Stall = 300 * time.Millisecond
		_, err = c.Resolve(t.Context(), Tree{fmt.Sprintf("%s://%s/x", scheme, l.Addr()), "main"})
		if !netfault.Is(err) || !strings.Contains(err.Error(), "silent for 300ms") {
			t.Errorf("%s: got %v, want that the server was silent", scheme, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	time.AfterFunc(100*time.Millisecond, func() { cancel(enough) })
	if _, err = newCache(t).Resolve(ctx, Tree{fmt.Sprintf("git://%s/x", l.Addr()), "main"}); !errors.Is(err, enough) {
		t.Errorf("got %v, want the cause of ctx", err)
	}
}

// TestShallowServer: the message says that the history is not complete.
func TestShallowServer(t *testing.T) {
	o := newOrigin(t)
	o.commit("x", "1\n")
	o.commit("x", "2\n")
	o.push()
	shallow := filepath.Join(t.TempDir(), "part.git")
	o.run("", "git", "clone", "--quiet", "--bare", "--depth=1", "file://"+o.bare, shallow)
	_, err := newCache(t).Resolve(t.Context(), Tree{shallow, o.git("rev-parse", "HEAD")})
	if err == nil || !strings.Contains(err.Error(), "copy is shallow") {
		t.Errorf("got %v, want that the copy is shallow", err)
	}
}

// TestLyingServer: a server that lacks objects of its history, such as a partial
// clone.
func TestLyingServer(t *testing.T) {
	o := newOrigin(t)
	o.commit("x", "1\n")
	o.commit("x", "2\n")
	o.push()
	blob := o.git("rev-parse", "HEAD~1:x")
	o.run(o.bare, "sh", "-c", "mv objects/pack/* . 2>/dev/null; for p in *.pack; do [ -e $p ] && git unpack-objects -q <$p; done; rm -f objects/"+blob[:2]+"/"+blob[2:])
	c := newCache(t)
	id := o.git("rev-parse", "HEAD")
	p, err := c.Resolve(t.Context(), Tree{o.bare, id})
	if err == nil {
		t.Errorf("got %+v, want an error", p)
	}
}

// TestForeignRepository: git reads a local repository of another user only if a
// setting says that it is safe. The user's setting counts, also in git's child
// processes.
func TestForeignRepository(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs the superuser, to give a repository away")
	}
	o := newOrigin(t)
	must(t, os.Lchown(o.bare, 1234, 1234))
	c := newCache(t)
	if _, err := c.Resolve(t.Context(), Tree{o.bare, "main"}); err == nil {
		t.Skip("this git does not ask who owns a repository that it fetches from")
	} else if !strings.Contains(err.Error(), "safe.directory") {
		t.Errorf("got %v, want the setting that mends it", err)
	}
	home := t.TempDir()
	must(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[safe]\n\tdirectory = "+o.bare+"\n"), 0o600))
	c = newCache(t)
	c.Env = []string{"HOME=" + home}
	get(t, c, o.bare, "main", CheckoutOptions{})
}
