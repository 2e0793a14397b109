// SPDX-License-Identifier: MPL-2.0

package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/carosio/carosbuild/pkg/fsck"
)

// Fsck has git check all objects of the mirrors and the packs. Those that another process
// is changing are skipped.
func (c *Cache) Fsck(ctx context.Context, check *fsck.Check) error {
	mirrors := func(dir string) []string {
		if !strings.HasSuffix(dir, ".git") {
			return nil
		}
		return []string{"fsck", "--full", "--no-dangling", "--no-progress"}
	}
	packs := func(dir string) []string {
		if strings.HasSuffix(dir, ".tmp") {
			return nil
		}
		lists, _ := filepath.Glob(filepath.Join(dir, "pack", "*.idx")) // the pattern is valid
		return append([]string{"verify-pack", "--"}, lists...)
	}
	dir, err := filepath.Abs(c.Dir)
	if err == nil {
		err = c.fsckDirs(ctx, check, "git mirror", dir, ".git", mirrors, removeMirror)
	}
	if err == nil {
		err = c.fsckDirs(ctx, check, "git pack", filepath.Join(dir, "packs"), "", packs, func(base string) error { removeUnused(base); return nil })
	}
	if err != nil {
		return fmt.Errorf("check the cache of git trees: %w", err)
	}
	return nil
}

// fsckDirs runs the given git command in each subdirectory of a directory.
func (c *Cache) fsckDirs(ctx context.Context, check *fsck.Check, kind, in, ending string, command func(dir string) []string, remove func(base string) error) error {
	entries, err := os.ReadDir(in)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := filepath.Join(in, e.Name())
		args := command(dir)
		if !e.IsDir() || args == nil {
			continue
		}
		base := strings.TrimSuffix(dir, ending)
		what, err := c.fsckDir(ctx, base, dir, args)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			check.InUse = append(check.InUse, dir)
			continue
		}
		if err != nil {
			return err
		}
		check.Checked(kind)
		if what == "" {
			continue
		}
		d := fsck.Damage{Kind: kind, Path: dir, What: what, Then: "removed; fetched again when it is needed"}
		if err := check.Damaged(d, func() error { return remove(base) }); err != nil {
			return err
		}
	}
	return nil
}

// fsckDir describes the damage of a directory, or "". The error is EWOULDBLOCK if
// another process is changing it.
func (c *Cache) fsckDir(ctx context.Context, base, dir string, args []string) (what string, err error) {
	lock, err := tryHold(base+".lock", false)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if args[0] == "verify-pack" && slices.Index(args, "--") == len(args)-1 {
		return "has no pack", nil
	}
	_, err = c.git(ctx, command{args: args, env: []string{"GIT_DIR=" + dir}})
	if wrong, ok := errors.AsType[*gitError](err); ok {
		return wrong.Error(), nil
	}
	return "", err
}
