// SPDX-License-Identifier: MPL-2.0

package git

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// gitDir is the .git of a checkout.
type gitDir struct {
	path    string
	digits  int    // length of an id
	head    string // id of the commit
	tags    []ref
	options CheckoutOptions
}

// tips are the ids from which all objects are reachable.
func (g *gitDir) tips() []string {
	tips := []string{g.head}
	for _, t := range g.tags {
		tips = append(tips, t.id)
	}
	return tips
}

// write makes the repository, without an index.
func (g *gitDir) write(packs string) error {
	for _, d := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(g.path, d), 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{"HEAD": g.head + "\n", "config": g.config()}
	if b := g.options.Branch; b != "" {
		files["HEAD"] = "ref: refs/heads/" + b + "\n"
		files["refs/heads/"+b] = g.head + "\n"
	}
	if len(g.tags) > 0 {
		var b strings.Builder
		b.WriteString("# pack-refs with: sorted \n")
		for _, t := range g.tags {
			fmt.Fprintf(&b, "%s %s\n", t.id, t.name)
		}
		files["packed-refs"] = b.String()
	}
	for name, text := range files {
		path := filepath.Join(g.path, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return copyPacks(packs, filepath.Join(g.path, "objects", "pack"))
}

// config makes git's status compare only what a layer keeps of a file: type, size
// and the seconds of its time.
func (g *gitDir) config() string {
	version, extension := 0, ""
	if g.digits == 64 {
		version, extension = 1, "[extensions]\n\tobjectFormat = sha256\n"
	}
	return fmt.Sprintf("[core]\n\trepositoryformatversion = %d\n\tfilemode = true\n\tbare = false\n\tcheckStat = minimal\n\ttrustctime = false\n"+
		"%s[remote %s]\n\turl = %s\n\tfetch = %s\n", version, extension, quoteConfig(g.options.RemoteName), quoteConfig(g.options.RemoteURL),
		quoteConfig("+refs/heads/*:refs/remotes/"+g.options.RemoteName+"/*"))
}

// settleIndex removes from the index what differs between machines. It returns the
// number of submodules.
func (g *gitDir) settleIndex(tree string, when int64) (int, error) {
	name := filepath.Join(g.path, "index")
	old, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	data, modules, err := settle(old, g.digits/2, uint32(when), func(path string) (int64, error) {
		st, err := os.Lstat(filepath.Join(tree, filepath.FromSlash(path)))
		if err != nil {
			return 0, err
		}
		return st.Size(), nil
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return modules, os.WriteFile(name, data, 0o644)
}

// stamp gives all files the same time, and modes that do not depend on the umask.
// The index is a second older if the epoch allows: otherwise git would compare the
// contents of all files for each status.
func stamp(dir string, when int64, epoch *int64) error {
	index := when + 1
	if epoch != nil {
		index = min(index, *epoch)
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		t := when
		if path == filepath.Join(dir, ".git", "index") {
			t = index
		}
		return errors.Join(setMode(path, d), setTime(path, t))
	})
}

func setMode(path string, d fs.DirEntry) error {
	if d.Type() == fs.ModeSymlink {
		return nil
	}
	st, err := d.Info()
	if err != nil {
		return err
	}
	var mode fs.FileMode = 0o644
	switch {
	case d.IsDir(), st.Mode()&0o100 != 0:
		mode = 0o755
	case strings.HasSuffix(filepath.Dir(path), "/.git/objects/pack"):
		mode = 0o444
	}
	if st.Mode()&(fs.ModePerm|fs.ModeSetgid|fs.ModeSetuid|fs.ModeSticky) == mode {
		return nil
	}
	return os.Chmod(path, mode)
}
