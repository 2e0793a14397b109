// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// StandardOutput is the path of an Output that means standard output.
const StandardOutput = "-"

// Output is a file to write a disk to: a regular file, a block device, or a FIFO or
// standard output, which are written front to back.
type Output struct {
	Path   string `json:"path"`
	Format Format `json:"format,omitempty"` // or an alias that FormatFor knows; "" selects it by the ending of Path, and Raw for a block device
}

// CheckOutputs reports whether all outputs can be written together, as far as this
// can be known without the disk.
func CheckOutputs(outs []Output, o WriteOptions) error {
	_, err := resolve(outs, o)
	return err
}

// targetKind says how a target is written.
type targetKind uint8

const (
	toFile   targetKind = iota // to a new file, which is then renamed
	toDevice                   // in place
	toPipe                     // front to back
)

// target is an Output after all checks.
type target struct {
	name   string // as requested
	path   string // with symbolic links resolved
	format Format
	kind   targetKind
	files  []string // files to replace, in this order
}

// resolve checks the outputs individually and against each other.
func resolve(outs []Output, o WriteOptions) ([]target, error) {
	var targets []target
	taken := map[string]string{}
	for _, out := range outs {
		t, err := out.target(o)
		if err != nil {
			return nil, err
		}
		for _, id := range t.ids() {
			if other, ok := taken[id]; ok {
				return nil, fmt.Errorf("write %s: %s would be written twice, for %s too", t.name, id, other)
			}
			taken[id] = t.name
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// ids are the identities that no two outputs may share.
func (t target) ids() []string {
	if t.kind == toFile {
		return t.files
	}
	return []string{fileIdentity(t.path, t.kind)}
}

func (out Output) target(o WriteOptions) (target, error) {
	t := target{name: out.Path, path: out.Path, kind: toPipe}
	if out.Path != StandardOutput {
		var err error
		if t.path, t.kind, err = locate(out.Path); err != nil {
			return t, err
		}
	}
	var err error
	if t.format = Raw; t.kind != toDevice || out.Format != "" {
		if t.format, err = FormatFor(string(out.Format), out.Path); err != nil {
			return t, err
		}
	}
	switch {
	case t.kind == toFile:
		t.files = t.format.files(t.path, o.BlockMap)
		return t, checkFiles(t.files)
	case t.kind == toPipe && !slices.Contains(streams(), string(t.format)):
		return t, fmt.Errorf("write %s: it takes what is written front to back, and format %s is not: choose one of %s, or a file", t.name, t.format, strings.Join(streams(), ", "))
	case t.kind == toDevice && t.format != Raw:
		return t, fmt.Errorf("write %s: a block device takes the disk as it is, format %s, not %s", t.name, Raw, t.format)
	case t.kind == toDevice:
		return t, checkDevice(t.path)
	}
	return t, nil
}

// files are the regular files of an output.
func (f Format) files(path string, blockMap bool) []string {
	c := f.code()
	if c.second == nil {
		return []string{path}
	}
	switch second := c.second(path, blockMap); {
	case second == "":
		return []string{path}
	case c.first:
		return []string{second, path}
	default:
		return []string{path, second}
	}
}

// flatName is NAME-flat.vmdk for NAME.vmdk.
func flatName(path string) string {
	ext := filepath.Ext(path)
	if !strings.EqualFold(ext, ".vmdk") {
		return path + "-flat.vmdk"
	}
	return strings.TrimSuffix(path, ext) + "-flat" + ext
}

// locate resolves the links of a path and determines what is there.
func locate(path string) (string, targetKind, error) {
	real, err := follow(path)
	if err != nil {
		return "", toFile, fmt.Errorf("write %s: %w", path, err)
	}
	st, err := os.Stat(real)
	switch {
	case err != nil:
		return real, toFile, nil
	case st.IsDir():
		return "", toFile, fmt.Errorf("write %s: it is a directory: name a file in it", path)
	case st.Mode().IsRegular():
		return real, toFile, nil
	case st.Mode().Type() == fs.ModeDevice:
		return real, toDevice, nil
	case st.Mode().Type() == fs.ModeNamedPipe, st.Mode().Type() == fs.ModeDevice|fs.ModeCharDevice:
		return real, toPipe, nil
	}
	return "", toFile, fmt.Errorf("write %s: it is neither a file nor a device nor a pipe", path)
}

// follow resolves symbolic links, including one whose target does not exist yet.
func follow(path string) (string, error) {
	for range 40 {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real, nil
		}
		if _, err := os.Stat(path); err == nil { // such as /dev/stdout, whose target is not a path
			return path, nil
		}
		if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil && !strings.HasSuffix(path, "/") {
			path = filepath.Join(dir, filepath.Base(path))
		}
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil // it does not exist, and is not a link
		}
		if !filepath.IsAbs(to) {
			to = filepath.Dir(path) + "/" + to
		}
		path = to
	}
	return "", syscall.ELOOP
}

// checkFiles checks the names and directories of resolved paths.
func checkFiles(files []string) error {
	for _, path := range files {
		if strings.HasSuffix(path, "/") || filepath.Base(path) == "." || filepath.Base(path) == ".." {
			return fmt.Errorf("write %q: no file name", path)
		}
		dir := filepath.Dir(path)
		switch st, err := os.Stat(dir); {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("write %s: there is no directory %s: %w", path, dir, fs.ErrNotExist)
		case err != nil:
			return fmt.Errorf("write %s: %w", path, err)
		case !st.IsDir():
			return fmt.Errorf("write %s: %s is not a directory", path, dir)
		}
		if err := inDirectory(dir); err != nil {
			return fmt.Errorf("write %s: directory %s: %w", path, dir, err)
		}
		if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
			return fmt.Errorf("write %s: it is not a regular file", path)
		}
	}
	return nil
}
