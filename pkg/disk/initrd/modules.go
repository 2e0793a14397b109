// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/words"
)

// module is a kernel module, ready for insmod.
type module struct {
	name string
	data []byte
}

// moduleIndex has the content of depmod's files about a kernel's modules, by
// normalised name.
type moduleIndex struct {
	dir     string
	files   map[string]string   // name to path below dir
	needs   map[string][]string // path to the paths of all dependencies, nearest first
	builtin map[string]bool
	soft    map[string][]string // name to the names that have to be loaded before it
	aliases []alias
	// ask reads the dependencies of a module if no list has them.
	ask func(file string) error
}

// normal is a name in the form in which the kernel compares it.
func normal(name string) string { return strings.ReplaceAll(name, "-", "_") }

func readIndex(files lookup, version string) (*moduleIndex, error) {
	x := &moduleIndex{
		dir: "lib/modules/" + version, files: map[string]string{}, needs: map[string][]string{}, builtin: map[string]bool{},
	}
	dep, ok, err := files.text(x.dir + "/modules.dep")
	if err == nil && !ok {
		err = x.scan(files)
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(dep) {
		file, deps, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		x.files[normal(baseName(file))] = file
		x.needs[file] = strings.Fields(deps)
	}
	builtin, _, err := files.text(x.dir + "/modules.builtin")
	if err != nil {
		return nil, err
	}
	for _, file := range strings.Fields(builtin) {
		x.builtin[normal(baseName(file))] = true
	}
	soft, _, err := files.text(x.dir + "/modules.softdep")
	if err != nil {
		return nil, err
	}
	aliases, _, err := files.text(x.dir + "/modules.alias")
	if err != nil {
		return nil, err
	}
	x.soft, x.aliases = readSoftdeps(soft), readAliases(aliases)
	return x, nil
}

// loadOrder lists modules, each after its dependencies.
type loadOrder struct {
	*moduleIndex
	files []string
	seen  map[string]bool
	err   error // the first of asking
}

// add appends a module's file after its dependencies, and after the providers of
// what it requests when it starts: ext4 requests crc32c only then, so that it is
// not a dependency. If nothing provides a request, this is not an error, since it
// may be part of the kernel.
func (o *loadOrder) add(file string) {
	if o.seen[file] {
		return
	}
	o.seen[file] = true
	if o.ask != nil && o.err == nil {
		o.err = o.ask(file)
	}
	for _, dep := range slices.Backward(o.needs[file]) {
		o.add(dep)
	}
	for _, name := range o.soft[normal(baseName(file))] {
		files, _ := o.providers(name)
		for _, f := range files {
			o.add(f)
		}
	}
	o.files = append(o.files, file)
}

// resolve reads the requested modules, names or aliases, and all their
// dependencies, each after its dependencies. Modules that are built into the kernel
// need no file.
func resolve(files lookup, version string, wanted []string) ([]module, error) {
	order, err := resolveOrder(files, version, wanted)
	if err != nil {
		return nil, err
	}
	modules := make([]module, len(order.files))
	for i, file := range order.files {
		if modules[i], err = readModule(files, path.Join(order.dir, file)); err != nil {
			return nil, err
		}
	}
	return modules, nil
}

// resolveOrder is resolve without reading the modules themselves.
func resolveOrder(files lookup, version string, wanted []string) (*loadOrder, error) {
	x, err := readIndex(files, version)
	if err != nil {
		return nil, err
	}
	order := &loadOrder{moduleIndex: x, seen: map[string]bool{}}
	var unknown []string
	for _, name := range wanted {
		name, optional := strings.CutSuffix(name, "?")
		files, known := x.providers(name)
		if !known && !optional {
			unknown = append(unknown, x.describe(name))
		}
		for _, f := range files {
			order.add(f)
		}
	}
	if unknown != nil {
		return nil, fmt.Errorf("kernel %s has no module %s", version, strings.Join(unknown, ", nor "))
	}
	if order.err != nil {
		return nil, order.err
	}
	return order, nil
}

func readModule(files lookup, name string) (module, error) {
	e, ok := files.find(name)
	if !ok || e.Type() != tree.Regular {
		return module{}, fmt.Errorf("/%s is named in modules.dep and is not there: run depmod in the stage", name)
	}
	b, err := read(e)
	if err != nil {
		return module{}, err
	}
	if b, err = expand(name, b); err != nil {
		return module{}, fmt.Errorf("/%s: %w", name, err)
	}
	return module{baseName(name), b}, nil
}

// expand decompresses a module, since busybox's insmod cannot always do it.
func expand(name string, b []byte) ([]byte, error) {
	var r io.Reader
	var err error
	switch path.Ext(name) {
	case ".ko":
		return b, nil
	case ".xz":
		r, err = xz.NewReader(bytes.NewReader(b))
	case ".gz":
		r, err = gzip.NewReader(bytes.NewReader(b))
	case ".zst":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1)); err == nil {
			defer z.Close()
			r = z
		}
	default:
		return nil, fmt.Errorf("a module with an unknown compression")
	}
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(out) > maxFile {
		err = fmt.Errorf("more than %d bytes", maxFile)
	}
	return out, err
}

// describe quotes an unknown name, with the name that was probably meant.
func (x *moduleIndex) describe(name string) string {
	best := words.Suggest(normal(name), slices.Sorted(maps.Keys(x.files)))
	if best == "" {
		return fmt.Sprintf("%q", name)
	}
	return fmt.Sprintf("%q (did you mean %q?)", name, baseName(x.files[best]))
}
