// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	"bytes"
	"debug/elf"
	"fmt"
	"path"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// scan fills the index from the modules' own names, for an archive of modules for
// which depmod has never run: a module's dependencies are read when it is needed.
func (x *moduleIndex) scan(files lookup) error {
	dir, ok := files.find(x.dir)
	if !ok || dir.Type() != tree.Dir {
		return fmt.Errorf("/%s is not a directory", x.dir)
	}
	for _, e := range files.Entries {
		file, below := strings.CutPrefix(e.Path, dir.Path+"/")
		if below && (strings.HasSuffix(file, ".ko") || strings.Contains(path.Base(file), ".ko.")) {
			x.files[normal(baseName(file))] = file
		}
	}
	x.ask = func(file string) error {
		m, err := readModule(files, path.Join(x.dir, file))
		if err != nil {
			return err
		}
		return x.learn(file, m)
	}
	return nil
}

// learn notes the dependencies that a module states.
func (x *moduleIndex) learn(file string, m module) error {
	info, err := moduleInfo(m.data)
	if err != nil {
		return fmt.Errorf("/%s/%s: %w", x.dir, file, err)
	}
	for _, line := range info {
		name, value, _ := strings.Cut(line, "=")
		switch name {
		case "depends":
			for _, need := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' }) {
				on, ok := x.files[normal(need)]
				if !ok && !x.builtin[normal(need)] {
					return fmt.Errorf("/%s/%s needs module %q, which is not there", x.dir, file, need)
				}
				if ok {
					x.needs[file] = append(x.needs[file], on)
				}
			}
		case "softdep":
			for _, wants := range readSoftdeps("softdep " + m.name + " " + value) {
				x.soft[normal(m.name)] = append(x.soft[normal(m.name)], wants...)
			}
		}
	}
	return nil
}

// moduleInfo are the strings in a module's section .modinfo, such as depends=a,b.
func moduleInfo(b []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("not a module: %w", err)
	}
	s := f.Section(".modinfo")
	if s == nil {
		return nil, nil
	}
	data, err := s.Data()
	if err != nil {
		return nil, fmt.Errorf("section .modinfo: %w", err)
	}
	return strings.Split(strings.Trim(string(data), "\x00"), "\x00"), nil
}
