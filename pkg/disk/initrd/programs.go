// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// programs are programs of the stage with the shared libraries that they need: each
// program in bin, each library under its name in lib, where every dynamic linker
// looks, and the linker itself in the place that the programs name.
func programs(files lookup, wanted []string) ([]entry, error) {
	c := &closure{files: files, have: map[string]bool{}}
	for _, name := range wanted {
		if err := c.program(name); err != nil {
			return nil, err
		}
	}
	return c.out, nil
}

// closure collects files and their dependencies.
type closure struct {
	files lookup
	have  map[string]bool // names in the initrd
	out   []entry
}

func (c *closure) add(to string, data []byte) {
	if !c.have[to] {
		c.have[to] = true
		c.out = append(c.out, entry{name: to, mode: tree.Regular | 0o755, data: data})
	}
}

// binary is an ELF file of the stage.
type binary struct {
	path   string
	data   []byte
	class  elf.Class
	arch   elf.Machine
	interp string
	needs  []string
	search []string // its own library directories
}

func (c *closure) program(name string) error {
	b, err := c.open(name)
	if err != nil {
		return err
	}
	c.add("bin/"+path.Base(name), b.data)
	if b.interp == "" {
		return nil
	}
	linker, err := c.open(b.interp)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.add(strings.Trim(path.Clean(b.interp), "/"), linker.data)
	c.have["lib/"+path.Base(b.interp)] = true // libraries refer to it, too
	return c.libraries(b)
}

// libraries adds the libraries that b needs, and those that these need.
func (c *closure) libraries(b *binary) error {
	for _, name := range b.needs {
		if c.have["lib/"+name] {
			continue
		}
		lib, err := c.library(b, name)
		if err != nil {
			return err
		}
		c.add("lib/"+name, lib.data)
		if err := c.libraries(lib); err != nil {
			return err
		}
	}
	return nil
}

// library finds a library for the same architecture as b.
func (c *closure) library(b *binary, name string) (*binary, error) {
	if strings.Contains(name, "/") {
		return nil, fmt.Errorf("/%s needs a library by its path, %q", b.path, name)
	}
	for _, dir := range slices.Concat(b.search, c.directories()) {
		lib, err := c.open(path.Join(dir, name))
		if err == nil && lib.class == b.class && lib.arch == b.arch {
			return lib, nil
		}
	}
	return nil, fmt.Errorf("/%s needs the library %s, which the stage does not have", b.path, name)
}

// directories are the directories of libraries, including those of Debian's
// architectures.
func (c *closure) directories() []string {
	dirs := []string{"lib", "usr/lib", "lib64", "usr/lib64", "usr/local/lib"}
	for _, top := range []string{"lib", "usr/lib"} {
		for _, name := range c.files.list(top) {
			if strings.Contains(name, "-linux-") {
				dirs = append(dirs, top+"/"+name)
			}
		}
	}
	return dirs
}

func (c *closure) open(name string) (*binary, error) {
	e, ok := c.files.find(name)
	if !ok || e.Type() != tree.Regular {
		return nil, fmt.Errorf("the stage has no %s", name)
	}
	data, err := read(e)
	if err != nil {
		return nil, err
	}
	b := &binary{path: e.Path, data: data}
	if err := b.parse(); err != nil {
		return nil, fmt.Errorf("/%s is not a program for Linux: %w", e.Path, err)
	}
	return b, nil
}

func (b *binary) parse() error {
	f, err := elf.NewFile(bytes.NewReader(b.data))
	if err != nil {
		return err
	}
	b.class, b.arch = f.Class, f.Machine
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		if p.Off > uint64(len(b.data)) || p.Filesz > uint64(len(b.data))-p.Off {
			return errors.New("it is cut short")
		}
		b.interp = strings.TrimRight(string(b.data[p.Off:p.Off+p.Filesz]), "\x00")
	}
	if b.needs, err = f.ImportedLibraries(); err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return err
	}
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		list, err := f.DynString(tag)
		if err != nil {
			continue // it has none
		}
		for _, l := range list {
			for dir := range strings.SplitSeq(l, ":") {
				dir = strings.NewReplacer("${ORIGIN}", "/"+path.Dir(b.path), "$ORIGIN", "/"+path.Dir(b.path)).Replace(dir)
				b.search = append(b.search, dir)
			}
		}
	}
	return nil
}
