// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Needed are the paths of the files of a tree that Build and BuildOwn read for the modules
// of o: those of the modules and their dependencies, and the lists of dependencies.
func Needed(t *tree.Tree, o Options) ([]string, error) {
	all := newLookup(t)
	version, err := kernelVersion(all, o)
	if err != nil {
		return nil, err
	}
	order, err := resolveOrder(all, version, wanted(o))
	if err != nil {
		return nil, err
	}
	dir, ok := all.find(order.dir)
	if !ok {
		return nil, fmt.Errorf("/%s is not there", order.dir)
	}
	var out []string
	for _, name := range append([]string{"modules.dep", "modules.builtin", "modules.softdep", "modules.alias"}, order.files...) {
		full := path.Join(dir.Path, name)
		if _, ok := all.find(full); ok {
			out = append(out, full)
		}
	}
	return out, nil
}

// BuildOwn makes an initrd whose /init is a static program of the caller's, which loads
// the modules itself: they are /m/NAME.ko, in the order of the lines of /m/order. Beside
// them there are files, by path without a leading slash, executable. Of the options,
// only Kernel, Modules, Searched and Compression are used; Compression may also be
// "none". The same input gives the same bytes.
func BuildOwn(t *tree.Tree, o Options, init []byte, files map[string][]byte) ([]byte, error) {
	all := newLookup(t)
	version, err := kernelVersion(all, o)
	if err != nil {
		return nil, err
	}
	modules, err := resolve(all, version, wanted(o))
	if err != nil {
		return nil, err
	}
	var list strings.Builder
	var entries []entry
	for _, m := range modules {
		entries = append(entries, entry{name: "m/" + m.name + ".ko", mode: tree.Regular | 0o644, data: m.data})
		list.WriteString(m.name + "\n")
	}
	entries = append(entries, entry{name: "m/order", mode: tree.Regular | 0o644, data: []byte(list.String())})
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entries = append(entries, entry{name: path.Clean(name), mode: tree.Regular | 0o755, data: files[name]})
	}
	c := &cpio{}
	for _, dir := range directories(entries) {
		c.add(entry{name: dir, mode: tree.Dir | 0o755})
	}
	c.add(entry{name: "dev/console", mode: tree.Char | 0o600, rdev: tree.Device{Major: 5, Minor: 1}})
	for _, e := range entries {
		c.add(e)
	}
	c.add(entry{name: "init", mode: tree.Regular | 0o755, data: init})
	if o.Compression == "none" {
		return c.finish(), nil
	}
	if err := checkCompression(o.Compression, version); err != nil {
		return nil, err
	}
	return compress(c.finish(), o.Compression)
}
