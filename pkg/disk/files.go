// SPDX-License-Identifier: MPL-2.0

package disk

// Files are the files of an output, the main one first, or nil for standard output.
func (out Output) Files() []string {
	if out.Path == StandardOutput {
		return nil
	}
	f, err := FormatFor(string(out.Format), out.Path)
	if err != nil { // a block device needs no format
		return []string{out.Path}
	}
	files := f.files(out.Path, false)
	if i := len(files) - 1; f.code().first {
		files[0], files[i] = files[i], files[0]
	}
	return files
}
