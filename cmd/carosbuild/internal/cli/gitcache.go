// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/download"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/source/git"
	"github.com/carosio/carosbuild/pkg/words"
)

// gitVariables are the variables of the caller's environment that git needs to
// reach a server as the caller would.
var gitVariables = []string{
	"HOME", "XDG_CONFIG_HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_SSH", "GIT_SSH_VARIANT", "GIT_CONFIG_GLOBAL", "GIT_ASKPASS", "KRB5CCNAME", "TMPDIR",
	"http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "GIT_SSL_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

// GitCache is the cache of git trees. Its progress is shown.
func (a *App) GitCache(d Dirs, view render.Display) *git.Cache {
	c := &git.Cache{Dir: filepath.Join(d.Cache, "git"), Env: []string{"PATH=" + a.Getenv("PATH")}, Closed: a.Offline}
	if a.vendored != nil {
		c.Bundles = a.vendored.Git()
	}
	c.Fetched = func(url, commit string) {
		a.Downloads.Add(download.Record{Kind: download.Git, URL: url, Commit: commit})
	}
	for _, name := range gitVariables {
		if v := a.Getenv(name); v != "" {
			c.Env = append(c.Env, name+"="+v)
		}
	}
	c.Events = func(e git.Event) {
		if e.Note != "" {
			view.Show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: e.URL + ": " + e.Note})
			return
		}
		if e.Total == 0 {
			return // progress without an end would stay on the screen
		}
		view.Show(progress.Event{Time: time.Now(), Kind: progress.Progress, Text: e.Phase + " " + e.URL, Done: e.Done, Total: e.Total, Unit: "objects"})
	}
	return c
}

// Rewrites are those of the flags and of the user's file.
func (a *App) Rewrites(flags []string) (git.Rewrites, error) {
	var r git.Rewrites
	for _, f := range flags {
		if name, dir, _ := strings.Cut(f, "="); strings.HasPrefix(dir, "./") || strings.HasPrefix(dir, "../") {
			abs, err := filepath.Abs(dir)
			if err != nil {
				return r, err
			}
			f = name + "=" + abs
		}
		one, err := git.ParseRewrite(f)
		if err != nil {
			return r, Usagef("--remote %w", err)
		}
		r.Flags = append(r.Flags, one)
	}
	dir := a.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(a.home(), ".config")
	}
	path := filepath.Join(dir, "carosbuild", "remotes")
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.ENOTDIR) { // HOME may not be usable
		return r, err
	}
	r.File, err = git.ParseRewritesFile(path, data)
	if err != nil {
		err = Usage(err)
	}
	return r, err
}

// WarnRemotes warns of names in --remote that no remote has. This is not a mistake:
// one set of names may be used for several declarations.
func (a *App) WarnRemotes(flags []git.Rewrite, d *decl.Declaration) {
	var names []string
	for _, r := range d.Remotes {
		names = append(names, r.Name)
	}
	for _, f := range flags {
		if strings.ContainsAny(f.Name, ":/") || slices.Contains(names, f.Name) {
			continue // a prefix of addresses may match none
		}
		hint := words.DidYouMean(f.Name, names)
		if hint != "" {
			hint = " (" + hint + ")"
		}
		a.Warnf("--remote %s: no remote of this name is declared%s", f.Name, hint)
	}
}
