// SPDX-License-Identifier: MPL-2.0

package yocto

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// rootFS is the root file system of the image.
func (d *Deployed) rootFS() []File {
	if d.Image == "" {
		return nil
	}
	if f := d.image(rootKinds); f != nil {
		return f
	}
	return d.workRoot()
}

// image is the image's file of the first kind that exists.
func (d *Deployed) image(kinds []string) []File {
	for _, kind := range kinds {
		var names, versions []string
		for _, a := range d.artifacts() {
			if a.kind == kind && a.image == d.Image {
				names, versions = append(names, a.file), append(versions, a.version)
			}
		}
		if len(names) > 0 {
			name, note := newest(names, versions)
			f := d.file(name, "")
			f.Note = note
			return []File{f}
		}
	}
	return nil
}

// workRoots are the directories in which images are assembled: IMAGE, a version,
// and the directory.
func (d *Deployed) workRoots(image string) []string {
	if d.build == "" {
		return nil
	}
	// Images are built for the machine: WORKDIR has MULTIMACH_TARGET_SYS, in which
	// dashes of the machine's name have become underscores.
	var out []string
	for _, pattern := range []string{"/work/*/" + image + "/*/rootfs"} {
		found, err := d.tree.Glob("/" + d.build + pattern)
		if err != nil {
			continue
		}
		for _, p := range found {
			target := strings.Split(strings.TrimPrefix(p, d.build+"/work/"), "/")[0]
			if d.Machine != "" && !strings.HasPrefix(target, strings.ReplaceAll(d.Machine, "-", "_")+"-") {
				continue
			}
			if e, err := d.tree.Lookup(p + "/etc"); err == nil && e.Type() == tree.Dir {
				out = append(out, p)
			}
		}
	}
	return out
}

// unpacked are images whose directory still exists.
func (d *Deployed) unpacked() []string {
	var out []string
	for _, p := range d.workRoots("*") {
		image := path.Base(path.Dir(path.Dir(p)))
		if !ramDisk().MatchString(image) {
			out = append(out, image)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// workRoot is the directory that the image is made from, if it still exists.
func (d *Deployed) workRoot() []File {
	roots := d.workRoots(d.Image)
	if len(roots) == 0 {
		return nil
	}
	latest := func(a, b string) int { return natural(path.Dir(a), path.Dir(b)) } // by their versions
	at := slices.MaxFunc(roots, latest)
	return []File{{
		Path: at, Name: "rootfs", Unowned: true,
		Note: fmt.Sprintf("no archive of %s is deployed, so its files are taken from /%s: files of the user who ran bitbake will belong to root, and owners, device nodes and capabilities that only pseudo knows are lost; %s", d.Image, at, d.remedy(RootFS)),
	}}
}
