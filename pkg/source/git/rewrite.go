// SPDX-License-Identifier: MPL-2.0

package git

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Rewrite replaces a remote's address. Name is the name of a declared remote, or
// the beginning of an address, which contains a colon or slash. URL is an address
// or an absolute path of a directory.
type Rewrite struct{ Name, URL string }

// Rewrites are those of the command line and of a file. Flags take precedence.
type Rewrites struct{ Flags, File []Rewrite }

// ParseRewrite reads NAME=URL.
func ParseRewrite(s string) (Rewrite, error) {
	name, url, ok := strings.Cut(s, "=")
	if !ok {
		return Rewrite{}, fmt.Errorf("%q: want NAME=URL", redact(s))
	}
	return newRewrite(strings.TrimSpace(name), strings.TrimSpace(url))
}

// ParseRewritesFile reads lines "NAME URL". What follows a # at the beginning
// of a word is a comment. Errors name the file and the line.
func ParseRewritesFile(name string, data []byte) ([]Rewrite, error) {
	var all []Rewrite
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		fields := strings.Fields(line)
		for i, f := range fields {
			if strings.HasPrefix(f, "#") {
				fields = fields[:i]
				break
			}
		}
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("%s:%d: want NAME URL, got %d words", name, n, len(fields))
		}
		r, err := newRewrite(fields[0], fields[1])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func newRewrite(name, url string) (Rewrite, error) {
	switch {
	case name == "" || url == "":
		return Rewrite{}, fmt.Errorf("want a name and an address")
	case strings.HasPrefix(url, "-"):
		return Rewrite{}, fmt.Errorf("address %q begins with a dash", url)
	case strings.ContainsFunc(name+url, func(r rune) bool { return r <= ' ' && r != ' ' || r == 0x7f || r == '\uFFFD' }):
		return Rewrite{}, fmt.Errorf("%q: control characters", redact(name+" "+url))
	case !filepath.IsAbs(url) && !scheme().MatchString(url) && !scpLike().MatchString(url) && !helper().MatchString(url):
		return Rewrite{}, fmt.Errorf("%q is not a URL, HOST:PATH or the absolute path of a directory", redact(url))
	}
	return Rewrite{name, url}, nil
}

// Apply returns the address of a repository of a remote. Without a rewrite it is
// baseURL and repo, joined. A rewrite by the remote's name replaces baseURL, with a
// slash between; otherwise the longest matching prefix is replaced, as git's
// insteadOf does. Below a directory, repo and repo.git are looked for, and one must
// exist.
func (r Rewrites) Apply(remoteName, baseURL, repo string) (string, error) {
	full := baseURL + repo
	for _, list := range [][]Rewrite{r.Flags, r.File} {
		for _, w := range list {
			if w.Name == remoteName {
				return w.replace(repo)
			}
		}
		if w, ok := longest(list, full); ok {
			return w.replace(full[len(w.Name):])
		}
	}
	return full, nil
}

// longest is the rewrite with the longest matching prefix of an address; the first
// if there are several.
func longest(list []Rewrite, address string) (Rewrite, bool) {
	var best Rewrite
	for _, w := range list {
		if strings.ContainsAny(w.Name, ":/") && strings.HasPrefix(address, w.Name) && len(w.Name) > len(best.Name) {
			best = w
		}
	}
	return best, best.Name != ""
}

// replace puts the rewrite's address in place of the prefix.
func (w Rewrite) replace(rest string) (string, error) {
	if dir, ok := w.local(); ok {
		return findRepository(dir, rest)
	}
	whole := !strings.ContainsAny(w.Name, ":/") || strings.HasSuffix(w.Name, "/") // the prefix ends at the end of a path component
	if whole && !strings.HasSuffix(w.URL, "/") && !strings.HasSuffix(w.URL, ":") {
		return w.URL + "/" + rest, nil
	}
	return w.URL + rest, nil
}

func (w Rewrite) local() (string, bool) {
	if filepath.IsAbs(w.URL) {
		return w.URL, true
	}
	dir, ok := strings.CutPrefix(w.URL, "file://")
	return dir, ok && filepath.IsAbs(dir)
}

// findRepository is the path of a repository below a directory.
func findRepository(dir, repo string) (string, error) {
	repo = strings.Trim(repo, "/")
	if !filepath.IsLocal(repo) && repo != "" {
		return "", fmt.Errorf("repository %q is not below %s", repo, dir)
	}
	plain := filepath.Join(dir, strings.TrimSuffix(repo, ".git"))
	if repo == "" { // the directory is the repository
		return filepath.Clean(dir), nil
	}
	tries := []string{plain, plain + ".git"}
	if strings.HasSuffix(repo, ".git") {
		tries[0], tries[1] = tries[1], tries[0]
	}
	for _, path := range tries {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is neither %s nor %s", tries[0], tries[1])
}
