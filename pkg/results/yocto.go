// SPDX-License-Identifier: MPL-2.0

package results

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Where bitbake leaves things: redomat's build directory, and Yocto's names
// below it.
const (
	tmpDir    = "/REDO/build/tmp"
	imagesDir = tmpDir + "/deploy/images"
	cookerDir = tmpDir + "/log/cooker"
	workDir   = tmpDir + "/work"
)

// feedDirs are the package feeds that Yocto makes.
var feedDirs = []string{tmpDir + "/deploy/ipk", tmpDir + "/deploy/deb", tmpDir + "/deploy/rpm"}

// imagePatterns are the names of what Yocto deploys and a user boots, writes
// to a card or looks at. redomat had *.iso, *.ova and *-sdimg.
var imagePatterns = []string{
	"*.iso", "*.ova", "*-sdimg", "*.sdimg", "*.sdcard", "*.hddimg", "*.hdddirect", "*.vmdk", "*.vdi", "*.vhd", "*.vhdx", "*.qcow2", "*.wic", "*.wic.*",
	"*.tar", "*.tar.*", "*.tgz", "*.ext[234]", "*.ext[234].*", "*.squashfs*", "*.ubi", "*.ubifs", "*.jffs2", "*.cpio", "*.cpio.*",
	"*.dtb", "*.manifest", "*Image", "*Image-*", "vmlinu[xz]*", "u-boot*",
}

// deployed collects Yocto's images. A file that a link of the images leads to
// is only there by the name of the link, which has no date in it.
func (c *collector) deployed(ctx context.Context, r *Root, _ Wanted) error {
	if !r.isDir(imagesDir) {
		return nil
	}
	var files, links []File
	seen := 0
	err := r.walk(ctx, imagesDir, func(rel string, e fs.DirEntry) error {
		if seen++; seen > maxFiles {
			return fmt.Errorf("%s has more than %d files", imagesDir, maxFiles)
		}
		if !isImage(path.Base(rel)) || !regular(e) && !link(e) {
			return nil
		}
		p := path.Join(imagesDir, rel)
		n, err := r.stat(p)
		switch {
		case err != nil:
			c.problem(p, false, err)
		case n.isFile() && link(e):
			links = append(links, newFile(r, p, rel, n))
		case n.isFile():
			files = append(files, newFile(r, p, rel, n))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range unflatten(withoutTargets(files, links)) {
		c.add(f, false)
	}
	return nil
}

func isImage(name string) bool {
	for _, p := range imagePatterns {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}

// withoutTargets are the links and those files that no link leads to.
func withoutTargets(files, links []File) []File {
	led := map[node]bool{}
	for _, l := range links {
		led[l.node] = true
	}
	for _, f := range files {
		if !led[f.node] {
			links = append(links, f)
		}
	}
	return links
}

// unflatten gives files their names without the machine's directory, where
// these are unique.
func unflatten(files []File) []File {
	count := map[string]int{}
	for _, f := range files {
		count[path.Base(f.Name)]++
	}
	for i, f := range files {
		if base := path.Base(f.Name); count[base] == 1 {
			files[i].Name = base
		}
	}
	return files
}

// feeds collects the files of the package feeds. A single one is there without
// its own name, so that its addresses are those that redomat had.
func (c *collector) feeds(ctx context.Context) error {
	wanted, declared := c.request.Feeds, len(c.request.Feeds) > 0
	if !declared {
		for _, dir := range feedDirs {
			wanted = append(wanted, Wanted{Path: dir})
		}
	}
	var names []string
	files := map[string][]File{}
	for _, w := range wanted {
		err := c.each(ctx, w, func(ctx context.Context, r *Root, w Wanted) error {
			if !declared && !r.isDir(w.Path) {
				return nil
			}
			name := path.Base(path.Clean(w.Path))
			if _, ok := files[name]; ok {
				c.problem(w.Path, true, fmt.Errorf("another feed is called %q", name))
				return nil
			}
			err := c.below(ctx, r, w.Path, "", declared, func(f File) { files[name] = append(files[name], f) })
			if err != nil && ctx.Err() == nil {
				c.problem(w.Path, declared, err)
				return nil
			}
			if len(files[name]) > 0 {
				names = append(names, name)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, name := range names {
		for _, f := range files[name] {
			if len(names) > 1 {
				f.Name = path.Join(name, f.Name)
			}
			c.set.Packages = append(c.set.Packages, f)
		}
	}
	return nil
}

// HasLogs reports whether the stage has logs of bitbake.
func (r *Root) HasLogs() (cooker, packages bool) { return r.isDir(cookerDir), r.isDir(workDir) }

// CookerLogs are the logs of bitbake itself.
func (r *Root) CookerLogs(ctx context.Context) ([]File, error) {
	return r.logs(ctx, cookerDir, func(string) bool { return true })
}

// PackageLogs are the logs of all tasks, named by where they are below the work
// directory. They are looked for when they are asked for: a work directory may
// have millions of files.
func (r *Root) PackageLogs(ctx context.Context) ([]File, error) {
	return r.logs(ctx, workDir, func(name string) bool { return strings.HasPrefix(name, "log") })
}

func (r *Root) logs(ctx context.Context, dir string, take func(name string) bool) ([]File, error) {
	var out []File
	if !r.isDir(dir) {
		return nil, nil
	}
	err := r.walk(ctx, dir, func(rel string, e fs.DirEntry) error {
		if !regular(e) || !take(path.Base(rel)) {
			return nil
		}
		if len(out) == maxFiles {
			return fmt.Errorf("%s has more than %d logs", dir, maxFiles)
		}
		p := path.Join(dir, rel)
		n, err := r.stat(p)
		if err != nil || !n.isFile() {
			return err
		}
		out = append(out, newFile(r, p, rel, n))
		return nil
	})
	return out, err
}
