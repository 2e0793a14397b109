// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"fmt"
	"os"
	"path/filepath"
)

// Input is a file or directory that is read before the outputs are written.
type Input struct {
	Path string
	What string // for messages, as in "the source of ADD"
}

// CheckInputs refuses outputs that would replace an input, or a file in an input
// directory, by whatever name: files are compared by device and inode. Paths that
// do not exist or cannot be examined are ignored.
func CheckInputs(outs []Output, o WriteOptions, in []Input) error {
	targets, err := resolve(outs, o)
	if err != nil {
		return err
	}
	for _, t := range targets {
		for _, file := range t.replaced() {
			there, err := os.Stat(file)
			if err != nil {
				continue
			}
			for _, i := range in {
				st, err := os.Stat(i.Path)
				switch {
				case err != nil:
				case os.SameFile(st, there):
					return fmt.Errorf("%s would replace %s (%s)", t.name, i.What, i.Path)
				case st.IsDir() && inside(st, file):
					return fmt.Errorf("%s would replace %s, which is in %s (%s)", t.name, file, i.What, i.Path)
				}
			}
		}
	}
	return nil
}

// replaced are the files and devices whose content would be lost.
func (t target) replaced() []string {
	switch t.kind {
	case toFile:
		return t.files
	case toDevice:
		return []string{t.path}
	}
	return nil
}

// inside reports whether a file, whose links are resolved, is anywhere below a
// directory.
func inside(dir os.FileInfo, file string) bool {
	for at := filepath.Dir(file); ; at = filepath.Dir(at) {
		if st, err := os.Stat(at); err == nil && os.SameFile(st, dir) {
			return true
		}
		if at == filepath.Dir(at) {
			return false
		}
	}
}
