// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// treeLabel is the prefix of an image label that says which commit is checked out at a
// path: "COMMIT URL".
const treeLabel = "io.carosio.carosbuild.git:"

// treeBranch is the branch of a tree's commit in the stage.
const treeBranch = "carosbuild"

// treeAt is the commit checked out at a path, according to its label.
func (r *jobRun) treeAt(path string) (commit string) {
	commit, _, _ = strings.Cut(r.state.Config.Config.Labels[treeLabel+path], " ")
	return commit
}

// checkout is a tree for a stage, and the repository that it is fetched from.
type checkout struct {
	plan.GitTree
	from git.Pinned
}

// reposync is a REPOSYNC action: it checks out the trees that are missing in the stage
// or at another commit.
func (r *jobRun) reposync(ctx context.Context, s *plan.Step, a *plan.Reposync) error {
	labels := maps.Clone(r.state.Config.Config.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	err := r.change(ctx, s, func(w Snapshot) error {
		todo, err := r.absentTrees(w.Root(), a)
		if err != nil || len(todo) == 0 {
			return err
		}
		var trees []plan.GitTree
		var pinned []git.Pinned
		for _, t := range todo {
			trees, pinned = append(trees, t.GitTree), append(pinned, t.from)
		}
		if err := r.Git.Ensure(ctx, pinned); err != nil {
			return plan.MissingCommits(err, trees, pinned)
		}
		user, err := sandbox.LookupUser(w.Root(), r.state.Config.Config.User)
		if err != nil {
			return err
		}
		for _, t := range todo {
			fmt.Fprintf(r.log, "%s: %s of %s\n", t.Path, t.Commit, t.URL)
			if err := r.placeTree(ctx, w, t, user); err != nil {
				return fmt.Errorf("check out %s: %w", t.Path, err)
			}
			labels[treeLabel+t.Path] = t.Commit + " " + t.URL
		}
		return nil
	})
	if err == nil {
		r.state.Config.Config.Labels = labels
	}
	return err
}

// absentTrees are the trees that no earlier step has checked out at their commit, or
// that were removed since.
func (r *jobRun) absentTrees(rootDir string, a *plan.Reposync) ([]checkout, error) {
	root, err := unix.Open(rootDir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(root)
	var absent []checkout
	for i, t := range a.Trees {
		if r.treeAt(t.Path) != t.Commit || !statDir(root, path.Join(t.Path, ".git")) {
			absent = append(absent, checkout{t, a.From[i]})
		}
	}
	return absent, nil
}

// placeTree checks a tree out beside its destination and moves it there, over what the
// destination has; the old .git is removed.
func (r *jobRun) placeTree(ctx context.Context, w Snapshot, t checkout, user sandbox.User) error {
	root, err := unix.Open(w.Root(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	dest, err := realDir(root, t.Path)
	if err != nil {
		return err
	}
	temp, err := realDir(root, path.Join(path.Dir(t.Path), ".carosbuild-"+path.Base(t.Path)))
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	o := git.CheckoutOptions{RemoteName: "origin", Branch: treeBranch, RemoteURL: t.URL, Epoch: r.job.Epoch}
	if err := r.Git.Checkout(ctx, t.from, temp, o); err != nil {
		return err
	}
	if user.UID != 0 || user.GID != 0 {
		if err := chownTree(temp, user, w.Owners()); err != nil {
			return err
		}
	}
	if err := r.removeOld(ctx, root, t, dest); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(dest, ".git")); err != nil {
		return err
	}
	return moveOver(temp, dest, w.Owners())
}

// realDir makes a directory inside root and returns its real path, which no step can
// change meanwhile.
func realDir(root int, name string) (string, error) {
	fd, err := (&copier{root: root}).mkdirAll(name)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
}

func chownTree(dir string, user sandbox.User, own owner.Policy) error {
	return filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return own.Chown(unix.AT_FDCWD, p, int(user.UID), int(user.GID))
	})
}

// removeOld removes the files of what was checked out in dest before: those of the
// commit that the label names, and those of the commit that git is at, which differs if
// a step has moved it, and is the only one in an image of redomat's. Files of a commit
// that cannot be fetched any more stay.
func (r *jobRun) removeOld(ctx context.Context, root int, t checkout, dest string) error {
	olds := []string{r.treeAt(t.Path)}
	if head := headOf(root, t.Path); head != olds[0] {
		olds = append(olds, head)
	}
	for _, old := range olds {
		if !git.IsCommit(old) {
			continue
		}
		files, err := commitFiles(ctx, r.Git, git.Pinned{URL: t.from.URL, Commit: old})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			text := fmt.Sprintf("%s: files of %s, which was there before, may be left: %v", t.Path, old, err)
			r.event(progress.Event{Kind: progress.Note, Stage: r.job.ID, Text: text})
			continue
		}
		if err := removeFiles(dest, files); err != nil {
			return err
		}
	}
	return nil
}

func commitFiles(ctx context.Context, cache *git.Cache, p git.Pinned) ([]string, error) {
	if err := cache.Ensure(ctx, []git.Pinned{p}); err != nil {
		return nil, err
	}
	return cache.Files(ctx, p)
}

// headOf is the commit that a tree in the stage is at, according to two small files of
// its .git; "" if they do not say.
func headOf(root int, dir string) string {
	const maxRef = 1 << 10
	read := func(name string) string {
		fd, err := openIn(root, path.Join(dir, ".git", name), unix.O_RDONLY|unix.O_NONBLOCK)
		if err != nil {
			return ""
		}
		f := os.NewFile(uintptr(fd), name)
		defer f.Close()
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			return ""
		}
		data, err := io.ReadAll(io.LimitReader(f, maxRef))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(data))
	}
	head := read("HEAD")
	if ref, ok := strings.CutPrefix(head, "ref: "); ok {
		head = read(ref)
	}
	if !git.IsCommit(head) {
		return ""
	}
	return head
}

// removeFiles removes files from dir, and directories that are empty afterwards.
func removeFiles(dir string, files []string) error {
	root, err := os.OpenRoot(dir) // a step may have put links in the way
	if err != nil {
		return err
	}
	defer root.Close()
	dirs := map[string]bool{}
	for _, f := range files {
		if err := removeAny(root, f); err != nil {
			return err
		}
		for d := path.Dir(f); d != "." && !dirs[d]; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	for _, d := range slices.Backward(slices.Sorted(maps.Keys(dirs))) { // children first
		_ = root.Remove(d) // fails if it is not empty
	}
	return nil
}

// removeAny removes a file that may be gone, or no longer be a file.
func removeAny(root *os.Root, name string) error {
	err := root.Remove(name)
	var pe *fs.PathError
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENOTEMPTY):
		return nil
	case errors.As(err, &pe) && strings.Contains(pe.Err.Error(), "escapes"):
		return nil // a link out of the tree, not ours
	}
	return err
}

// moveOver moves the contents of src into dst: it merges directories of the same name and
// replaces anything else.
func moveOver(src, dst string, own owner.Policy) error {
	entries, err := os.ReadDir(src)
	if err != nil {
		return err
	}
	for _, e := range entries {
		from, to := filepath.Join(src, e.Name()), filepath.Join(dst, e.Name())
		st, err := os.Lstat(to)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case st.IsDir() && e.IsDir():
			if err := moveOver(from, to, own); err != nil {
				return err
			}
			continue
		default:
			if err := os.RemoveAll(to); err != nil {
				return err
			}
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	return sameTimes(src, dst, own)
}

// sameTimes sets a directory's owner, mode and time to those of another.
func sameTimes(src, dst string, own owner.Policy) error {
	st, err := own.Stat(unix.AT_FDCWD, src)
	if err != nil {
		return err
	}
	return own.Set(unix.AT_FDCWD, dst, owner.Meta{UID: int(st.Uid), GID: int(st.Gid), Mode: st.Mode, Times: []unix.Timespec{st.Mtim, st.Mtim}})
}
